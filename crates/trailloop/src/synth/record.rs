//! Records, one after another: what is being done goes on until it is done.

use jiff::{Timestamp, ToSpan as _};

use super::accounts::Account;
use super::act::{Act, Doing, How, Who};
use super::caller::{Caller, Setting, caller};
use super::failure::failure;
use super::fill::{Scene, fill, push, write_uuid};
use super::plan::Plan;

type Random = fastrand::Rng;

/// How many things of a sort each app has: tasks, tables, instances. Our assumption.
const THINGS: u64 = 6;

/// Writes the records of one object.
pub(super) struct Writer<'o> {
    pub(super) plan: &'o Plan,
    pub(super) accounts: &'o [Account],
    pub(super) account: &'o Account,
    pub(super) region: &'static str,
    pub(super) delivered: Timestamp,
}

impl Writer<'_> {
    /// Appends so many records, with commas between, and lets `take` empty the text after every few.
    pub(super) fn write(
        &self,
        random: &mut Random,
        records: u32,
        out: &mut String,
        mut take: impl FnMut(&mut String),
    ) {
        let mut left = records;
        let mut first = true;
        while left > 0 {
            let doing = self.plan.next(random, self.account.kind, self.region);
            // What does not fit into this object would stand in another.
            let count = doing.length().min(left);
            left -= count;
            self.doing(random, doing, count, &mut first, out);
            take(out);
        }
    }

    fn doing(
        &self,
        random: &mut Random,
        doing: &Doing,
        count: u32,
        first: &mut bool,
        out: &mut String,
    ) {
        let (caller, mut scene) = self.begin(random, doing.who);
        for nth in 0..count {
            let act = match doing.how {
                How::InOrder => &doing.acts[nth as usize],
                How::Some(_) => &doing.acts[random.usize(0..doing.acts.len())],
            };
            if !std::mem::take(first) {
                out.push(',');
            }
            write_record(random, doing.who, &caller, act, &scene, out);
            let pause = random.i64(0..4).seconds();
            scene.time = (scene.time + pause).min(self.delivered - 1.second());
        }
    }

    /// Who does it, where and when.
    fn begin(&self, random: &mut Random, who: Who) -> (Caller, Scene<'_>) {
        // Delivery lags by up to ten minutes, most of the time by three.
        let lag = random.i64(20..300) + if random.u8(0..20) == 0 { random.i64(0..300) } else { 0 };
        let setting = Setting {
            account: self.account,
            region: self.region,
            app: &self.account.apps[random.usize(0..self.account.apps.len())],
            nth: random.u64(0..THINGS),
            time: self.delivered - lag.seconds(),
        };
        let caller = caller(random, who, &setting);
        let scene = Scene {
            accounts: self.accounts,
            account: self.account,
            region: self.region,
            time: setting.time,
            app: setting.app,
            nth: setting.nth,
            new: random.u128(..),
            arn: caller.arn.clone(),
            role: caller.role.clone(),
            session: caller.session.clone(),
            person: caller.person.clone(),
        };
        (caller, scene)
    }

    /// Every act of a doing once, after what was written before.
    #[cfg(test)]
    pub(super) fn every_act(&self, random: &mut Random, doing: &Doing, out: &mut String) {
        let (caller, scene) = self.begin(random, doing.who);
        for act in doing.acts {
            if !out.ends_with('[') {
                out.push(',');
            }
            write_record(random, doing.who, &caller, act, &scene, out);
        }
    }
}

fn write_record(
    random: &mut Random,
    who: Who,
    caller: &Caller,
    act: &Act,
    scene: &Scene<'_>,
    out: &mut String,
) {
    out.push_str("{\"eventVersion\":\"1.11\",\"userIdentity\":");
    out.push_str(&caller.identity);
    push(out, format_args!(",\"eventTime\":\"{}\"", scene.time.strftime("%Y-%m-%dT%H:%M:%SZ")));
    push(
        out,
        format_args!(
            ",\"eventSource\":\"{}.amazonaws.com\",\"eventName\":\"{}\",\"awsRegion\":\"{}\",\"sourceIPAddress\":\"{}\",\"userAgent\":\"{}\"",
            act.source, act.name, scene.region, caller.address, caller.agent
        ),
    );
    let failure = failure(random, who, caller, act);
    let failed = failure.is_some();
    if let Some((code, message)) = failure {
        push(out, format_args!(",\"errorCode\":\"{code}\""));
        if !message.is_empty() {
            push(out, format_args!(",\"errorMessage\":\"{message}\""));
        }
    }
    out.push_str(",\"requestParameters\":");
    fill(random, scene, act.request, out);
    out.push_str(",\"responseElements\":");
    fill(random, scene, if failed { "null" } else { act.response }, out);
    write_more(random, act, scene, out);
    write_tail(caller, act, scene, out);
}

/// The parts in the middle that few records have, and the ids.
fn write_more(random: &mut Random, act: &Act, scene: &Scene<'_>, out: &mut String) {
    if !act.additional.is_empty() {
        out.push_str(",\"additionalEventData\":");
        fill(random, scene, act.additional, out);
    }
    if act.kind == "AwsApiCall" {
        out.push_str(",\"requestID\":\"");
        write_uuid(out, random.u128(..));
        out.push('"');
    }
    out.push_str(",\"eventID\":\"");
    write_uuid(out, random.u128(..));
    push(out, format_args!("\",\"readOnly\":{}", act.reads));
    if !act.resources.is_empty() {
        out.push_str(",\"resources\":");
        fill(random, scene, act.resources, out);
    }
    push(out, format_args!(",\"eventType\":\"{}\",\"managementEvent\":{}", act.kind, !act.data));
    push(out, format_args!(",\"recipientAccountId\":\"{}\"", scene.account.id));
    if !act.details.is_empty() {
        out.push_str(",\"serviceEventDetails\":");
        fill(random, scene, act.details, out);
    }
}

fn write_tail(caller: &Caller, act: &Act, scene: &Scene<'_>, out: &mut String) {
    if let Some(endpoint) = &caller.endpoint {
        push(out, format_args!(",\"vpcEndpointId\":\"{endpoint}\""));
    }
    let category = if act.data { "Data" } else { "Management" };
    push(out, format_args!(",\"eventCategory\":\"{category}\""));
    if caller.connects && act.kind == "AwsApiCall" {
        let (source, region) = (act.source, scene.region);
        out.push_str(",\"tlsDetails\":{\"tlsVersion\":\"TLSv1.3\",\"cipherSuite\":\"TLS_AES_128_GCM_SHA256\",\"clientProvidedHostHeader\":\"");
        match source {
            "iam" | "organizations" | "cloudfront" | "route53" => {
                push(out, format_args!("{source}.amazonaws.com\"}}"));
            }
            _ => push(out, format_args!("{source}.{region}.amazonaws.com\"}}")),
        }
    }
    if caller.console && act.kind == "AwsApiCall" {
        out.push_str(",\"sessionCredentialFromConsole\":\"true\"");
    }
    out.push('}');
}
