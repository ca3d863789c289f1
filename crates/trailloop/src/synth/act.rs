//! What can happen: a call, and calls that one caller makes in one go.

/// A call as CloudTrail records it. Its texts are templates, see `fill.rs`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Act {
    /// `eventSource` without `.amazonaws.com`.
    pub(super) source: &'static str,
    /// `eventName`.
    pub(super) name: &'static str,
    /// `readOnly`.
    pub(super) reads: bool,
    /// Whether it is a data event.
    pub(super) data: bool,
    /// `eventType`.
    pub(super) kind: &'static str,
    /// `requestParameters`.
    pub(super) request: &'static str,
    /// `responseElements`.
    pub(super) response: &'static str,
    /// `additionalEventData`, if there is any.
    pub(super) additional: &'static str,
    /// `serviceEventDetails`, if there are any.
    pub(super) details: &'static str,
    /// `resources`, if there are any.
    pub(super) resources: &'static str,
    /// The code and message with which it always fails, if it does.
    pub(super) fails: Option<(&'static str, &'static str)>,
}

/// A management call that reads.
pub(super) const fn read(source: &'static str, name: &'static str, request: &'static str) -> Act {
    Act {
        source,
        name,
        reads: true,
        data: false,
        kind: "AwsApiCall",
        request,
        response: "null",
        additional: "",
        details: "",
        resources: "",
        fails: None,
    }
}

/// A management call that changes something.
pub(super) const fn change(
    source: &'static str,
    name: &'static str,
    request: &'static str,
    response: &'static str,
) -> Act {
    Act { reads: false, response, ..read(source, name, request) }
}

/// A data event that reads.
pub(super) const fn get(source: &'static str, name: &'static str, request: &'static str) -> Act {
    Act { data: true, ..read(source, name, request) }
}

/// A data event that writes.
pub(super) const fn put(
    source: &'static str,
    name: &'static str,
    request: &'static str,
    response: &'static str,
) -> Act {
    Act { data: true, ..change(source, name, request, response) }
}

/// What a service or a sign-in page tells, without a call.
pub(super) const fn event(
    source: &'static str,
    name: &'static str,
    kind: &'static str,
    details: &'static str,
) -> Act {
    Act { reads: false, kind, details, ..read(source, name, "null") }
}

impl Act {
    pub(super) const fn answers(self, response: &'static str) -> Self {
        Self { response, ..self }
    }

    pub(super) const fn adds(self, additional: &'static str) -> Self {
        Self { additional, ..self }
    }

    pub(super) const fn on(self, resources: &'static str) -> Self {
        Self { resources, ..self }
    }

    pub(super) const fn fails(self, code: &'static str, message: &'static str) -> Self {
        Self { fails: Some((code, message)), ..self }
    }
}

/// A permission set of Identity Center.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Set {
    Administrator,
    PowerUser,
    ReadOnly,
    Billing,
}

/// Who calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Who {
    /// A task, function, pod or instance of a workload.
    Workload,
    /// A container task.
    Task,
    /// A function.
    Function,
    /// A pod with a role of its own.
    Pod,
    /// An instance, by its role.
    Instance,
    /// A pod at the moment it exchanges its token for a role.
    PodToken,
    /// A workload's role, but the call was made for it by this service.
    For(&'static str),
    /// A pipeline's deploy role.
    Pipeline,
    /// A pipeline at the moment it exchanges its token for the deploy role.
    PipelineToken,
    /// CloudFormation, with the role a pipeline gave it.
    Stack,
    /// A service by itself.
    Service(&'static str),
    /// A service-linked role: its name without `AWSServiceRoleFor`, the session, the service.
    Linked(&'static str, &'static str, &'static str),
    /// A service that tells about something in the account; there is no caller.
    Told(&'static str),
    /// The role that backups are made with.
    Backup,
    /// A posture scanner of a vendor, through the role it was given.
    Scanner,
    /// The same vendor at the moment it assumes that role.
    Vendor,
    /// The automation that vends accounts and assigns access.
    Vending,
    /// A reporting tool.
    Reporting,
    /// A person in the console.
    Console(Set),
    /// A person with the command line.
    Cli(Set),
    /// A person at the access portal.
    Portal,
    /// A person at the moment the portal's assertion becomes a role.
    Assertion(Set),
    /// A user with long-lived keys: uploads, or mail.
    User(&'static str),
    /// The account's root.
    Root,
}

/// In which accounts something happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    Anywhere,
    /// Accounts of workloads.
    Workloads,
    Production,
    Development,
    Management,
    Security,
    Shared,
}

/// How many of the acts happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum How {
    /// All of them, in order.
    InOrder,
    /// So many, each drawn anew.
    Some(u8),
}

/// What one caller does in one go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Doing {
    /// How often it is begun in a million records of the whole organization.
    pub(super) share: f64,
    pub(super) who: Who,
    pub(super) place: Place,
    pub(super) how: How,
    pub(super) acts: &'static [Act],
}

/// Acts that follow each other.
pub(super) const fn in_order(share: f64, who: Who, place: Place, acts: &'static [Act]) -> Doing {
    Doing { share, who, place, how: How::InOrder, acts }
}

/// So many of these acts, each drawn anew.
pub(super) const fn some(
    share: f64,
    who: Who,
    place: Place,
    count: u8,
    acts: &'static [Act],
) -> Doing {
    Doing { share, who, place, how: How::Some(count), acts }
}

/// Services whose calls are recorded in one region, whichever the caller is in.
const GLOBAL: [&str; 9] = [
    "iam",
    "organizations",
    "sso",
    "route53",
    "cloudfront",
    "ce",
    "billing",
    "savingsplans",
    "account",
];

impl Doing {
    /// How many records it makes.
    pub(super) fn length(&self) -> u32 {
        match self.how {
            How::InOrder => u32::try_from(self.acts.len()).unwrap_or(u32::MAX),
            How::Some(count) => u32::from(count),
        }
    }

    /// Its records of this call in a million of the organization's.
    #[cfg(test)]
    pub(super) fn records_of(&self, source: &str, name: &str) -> f64 {
        let acts = self.acts.iter().filter(|act| act.source == source && act.name == name).count();
        self.share * f64::from(self.length()) * acts as f64 / self.acts.len() as f64
    }

    pub(super) fn is_data(&self) -> bool {
        self.acts.iter().all(|act| act.data)
    }

    /// Whether it is recorded in the home region alone.
    pub(super) fn is_global(&self) -> bool {
        self.acts.iter().any(|act| GLOBAL.contains(&act.source))
    }
}
