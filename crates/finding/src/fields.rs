//! The fields that a finding tells of: where they stand in a record.
//!
//! A record's members are looked through once for all of them. Of a repeated key the last member counts, as for
//! [`Record::get`].

use trailloop_cloudtrail::{Kind, Position, Record};

/// The fields of a record, as far as it has them.
#[derive(Default)]
pub(crate) struct Fields {
    pub(crate) api_version: Option<Position>,
    pub(crate) aws_region: Option<Position>,
    pub(crate) error_code: Option<Position>,
    pub(crate) error_message: Option<Position>,
    pub(crate) event_category: Option<Position>,
    pub(crate) event_id: Option<Position>,
    /// Aggregated events spell it so.
    pub(crate) event_id_aggregated: Option<Position>,
    pub(crate) event_name: Option<Position>,
    pub(crate) event_source: Option<Position>,
    pub(crate) event_time: Option<Position>,
    pub(crate) event_type: Option<Position>,
    pub(crate) recipient_account_id: Option<Position>,
    pub(crate) request_id: Option<Position>,
    pub(crate) resources: Option<Position>,
    pub(crate) response_elements: Option<Position>,
    pub(crate) service_event_details: Option<Position>,
    pub(crate) shared_event_id: Option<Position>,
    pub(crate) source_ip_address: Option<Position>,
    pub(crate) tls_host: Option<Position>,
    pub(crate) user_agent: Option<Position>,
    pub(crate) identity: Identity,
}

/// The fields of `userIdentity`.
#[derive(Default)]
pub(crate) struct Identity {
    pub(crate) access_key_id: Option<Position>,
    pub(crate) account_id: Option<Position>,
    pub(crate) arn: Option<Position>,
    pub(crate) invoked_by: Option<Position>,
    pub(crate) kind: Option<Position>,
    pub(crate) principal_id: Option<Position>,
    pub(crate) user_name: Option<Position>,
    pub(crate) session_issuer_arn: Option<Position>,
    pub(crate) session_created: Option<Position>,
    pub(crate) session_mfa: Option<Position>,
}

impl Fields {
    /// Where the fields of this record stand.
    pub(crate) fn of(record: Record<'_>) -> Self {
        let mut fields = Self::default();
        let (mut identity, mut tls) = (None, None);
        for (key, at) in record.members_at(Position::of(0)) {
            // By their lengths most keys are told from most of these.
            let field = match (key.len(), key) {
                (10, "apiVersion") => &mut fields.api_version,
                (9, "awsRegion") => &mut fields.aws_region,
                (9, "errorCode") => &mut fields.error_code,
                (12, "errorMessage") => &mut fields.error_message,
                (13, "eventCategory") => &mut fields.event_category,
                (7, "eventID") => &mut fields.event_id,
                (7, "eventId") => &mut fields.event_id_aggregated,
                (9, "eventName") => &mut fields.event_name,
                (11, "eventSource") => &mut fields.event_source,
                (9, "eventTime") => &mut fields.event_time,
                (9, "eventType") => &mut fields.event_type,
                (18, "recipientAccountId") => &mut fields.recipient_account_id,
                (9, "requestID") => &mut fields.request_id,
                (9, "resources") => &mut fields.resources,
                (16, "responseElements") => &mut fields.response_elements,
                (19, "serviceEventDetails") => &mut fields.service_event_details,
                (13, "sharedEventID") => &mut fields.shared_event_id,
                (15, "sourceIPAddress") => &mut fields.source_ip_address,
                (10, "tlsDetails") => &mut tls,
                (9, "userAgent") => &mut fields.user_agent,
                (12, "userIdentity") => &mut identity,
                _ => continue,
            };
            *field = Some(at);
        }
        fields.tls_host = tls.and_then(|tls| member(record, tls, "clientProvidedHostHeader"));
        fields.identity = identity.map(|at| Identity::at(record, at)).unwrap_or_default();
        fields
    }

    /// Whether the record tells of a sign-in that failed: its user name may be a mistyped password.
    pub(crate) fn tell_of_failed_sign_in(&self, record: Record<'_>) -> bool {
        let text = |at: Option<Position>| record.value_at(at?).as_str();
        let sign_in = text(self.event_source).is_some_and(|source| source.starts_with("signin."))
            || matches!(
                text(self.event_name),
                Some("ConsoleLogin" | "CredentialVerification" | "UserAuthentication" | "CheckMfa")
            );
        let is_error = |at: Option<Position>| at.is_some_and(|at| !record.value_at(at).is_null());
        let is_failure = |at: Option<Position>| match at.map(|at| record.value_at(at).kind()) {
            Some(Kind::Object(mut members)) => members.any(|(_, value)| {
                value.as_str().is_some_and(|text| text.eq_ignore_ascii_case("Failure"))
            }),
            _ => false,
        };
        sign_in
            && (is_error(self.error_code)
                || is_error(self.error_message)
                || is_failure(self.response_elements)
                || is_failure(self.service_event_details))
    }
}

impl Identity {
    fn at(record: Record<'_>, at: Position) -> Self {
        let mut identity = Self::default();
        let mut session = None;
        for (key, at) in record.members_at(at) {
            let field = match (key.len(), key) {
                (11, "accessKeyId") => &mut identity.access_key_id,
                (9, "accountId") => &mut identity.account_id,
                (3, "arn") => &mut identity.arn,
                (9, "invokedBy") => &mut identity.invoked_by,
                (11, "principalId") => &mut identity.principal_id,
                (14, "sessionContext") => &mut session,
                (4, "type") => &mut identity.kind,
                (8, "userName") => &mut identity.user_name,
                _ => continue,
            };
            *field = Some(at);
        }
        if let Some(session) = session {
            let of = |object, key| member(record, member(record, session, object)?, key);
            identity.session_issuer_arn = of("sessionIssuer", "arn");
            identity.session_created = of("attributes", "creationDate");
            identity.session_mfa = of("attributes", "mfaAuthenticated");
        }
        identity
    }
}

/// The last member of this key, if the value is an object that has one.
pub(crate) fn member(record: Record<'_>, at: Position, key: &str) -> Option<Position> {
    record.members_at(at).filter(|(name, _)| *name == key).last().map(|(_, at)| at)
}
