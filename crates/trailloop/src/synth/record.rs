//! One synthetic record.

use std::fmt::Write as _;

use jiff::{Timestamp, ToSpan as _};

use super::catalogue::{
    AGENTS, Api, CALLERS, Caller, DATA, MANAGEMENT, PEOPLE, SERVICES, TAIL_NAMES, USERS, WORDS,
    WORKLOADS, pick,
};

type Random = fastrand::Rng;

/// Appends a record of this account and region that was delivered at this time.
pub(super) fn write_record(
    random: &mut Random,
    account: &str,
    region: &str,
    delivered: Timestamp,
    out: &mut String,
) {
    let data = random.bool();
    let api = choose_api(random, data);
    let caller = pick(random, CALLERS);
    // Delivery lags by up to ten minutes, most of the time by three.
    let lag = random.i64(20..300) + if random.u8(0..20) == 0 { random.i64(0..300) } else { 0 };
    let time = delivered - lag.seconds();
    let agent =
        if caller == Caller::Service { pick_one(random, SERVICES) } else { pick(random, AGENTS) };
    let address = address(random, caller, agent);
    let failed = random.u8(0..50) == 0;

    out.push_str("{\"eventVersion\":\"1.11\",\"userIdentity\":");
    write_identity(random, caller, account, agent, time, out);
    push(out, format_args!(",\"eventTime\":\"{}\"", time.strftime("%Y-%m-%dT%H:%M:%SZ")));
    push(out, format_args!(",\"eventSource\":\"{}\",\"eventName\":\"{}\"", api.source, api.name));
    push(
        out,
        format_args!(
            ",\"awsRegion\":\"{region}\",\"sourceIPAddress\":\"{address}\",\"userAgent\":\"{agent}\""
        ),
    );
    if failed {
        push(
            out,
            format_args!(
                ",\"errorCode\":\"ThrottlingException\",\"errorMessage\":\"Rate exceeded\""
            ),
        );
    }
    out.push_str(",\"requestParameters\":");
    fill(random, api.request, out);
    out.push_str(",\"responseElements\":null");
    if data {
        out.push_str(",\"additionalEventData\":{\"SignatureVersion\":\"SigV4\",\"CipherSuite\":\"TLS_AES_128_GCM_SHA256\",\"bytesTransferredIn\":0,\"AuthenticationMethod\":\"AuthHeader\",\"x-amz-id-2\":\"");
        write_random(random, 56, out);
        push(out, format_args!("\",\"bytesTransferredOut\":{}}}", random.u32(0..4_000_000)));
    }
    out.push_str(",\"requestID\":\"");
    write_uuid(random, out);
    out.push_str("\",\"eventID\":\"");
    write_uuid(random, out);
    let category = if data { "Data" } else { "Management" };
    push(
        out,
        format_args!(
            "\",\"readOnly\":{},\"resources\":[{{\"accountId\":\"{account}\",\"type\":\"AWS::Resource\",\"ARN\":\"arn:aws:resource:{region}:{account}:{}\"}}]",
            api.reads,
            pick_one(random, WORDS)
        ),
    );
    push(
        out,
        format_args!(
            ",\"eventType\":\"AwsApiCall\",\"managementEvent\":{},\"recipientAccountId\":\"{account}\",\"eventCategory\":\"{category}\"",
            !data
        ),
    );
    push(
        out,
        format_args!(
            ",\"tlsDetails\":{{\"tlsVersion\":\"TLSv1.3\",\"cipherSuite\":\"TLS_AES_128_GCM_SHA256\",\"clientProvidedHostHeader\":\"{}\"}}}}",
            api.source
        ),
    );
}

fn choose_api(random: &mut Random, data: bool) -> Api {
    let api = pick(random, if data { DATA } else { MANAGEMENT });
    if !api.name.is_empty() {
        return api;
    }
    let (source, names) = TAIL_NAMES[random.usize(0..TAIL_NAMES.len())];
    let name = names[random.usize(0..names.len())];
    let reads = ["Describe", "Get", "List", "Select"].iter().any(|verb| name.starts_with(verb));
    Api { source, name, reads, request: "{\"name\":\"@-####\",\"nextToken\":null}" }
}

fn address(random: &mut Random, caller: Caller, agent: &str) -> String {
    match caller {
        Caller::Service => agent.to_owned(),
        Caller::Person => format!("198.51.100.{}", random.u8(1..40)),
        _ => format!("192.0.2.{}", random.u8(1..=254)),
    }
}

fn write_identity(
    random: &mut Random,
    caller: Caller,
    account: &str,
    service: &str,
    time: Timestamp,
    out: &mut String,
) {
    let (role, session) = match caller {
        Caller::Service => {
            push(out, format_args!("{{\"type\":\"AWSService\",\"invokedBy\":\"{service}\"}}"));
            return;
        }
        Caller::User => {
            let name = pick_one(random, USERS);
            push(
                out,
                format_args!(
                    "{{\"type\":\"IAMUser\",\"principalId\":\"AIDAEXAMPLE{account}\",\"arn\":\"arn:aws:iam::{account}:user/{name}\",\"accountId\":\"{account}\",\"accessKeyId\":\"AKIAEXAMPLE{}\",\"userName\":\"{name}\"}}",
                    &account[3..]
                ),
            );
            return;
        }
        Caller::Workload => {
            let name = pick_one(random, WORKLOADS);
            (name.to_owned(), format!("{name}-{:04}", random.u16(0..40)))
        }
        Caller::Instance => (
            pick_one(random, WORKLOADS).to_owned(),
            format!("i-0{:012x}", random.u64(0..60) * 7919),
        ),
        Caller::Person => {
            let name = pick_one(random, PEOPLE);
            (format!("AWSReservedSSO_{name}_0123456789abcdef"), name.to_owned())
        }
    };
    let created = time - random.i64(60..3000).seconds();
    push(
        out,
        format_args!(
            "{{\"type\":\"AssumedRole\",\"principalId\":\"AROAEXAMPLE{account}:{session}\",\"arn\":\"arn:aws:sts::{account}:assumed-role/{role}/{session}\",\"accountId\":\"{account}\",\"accessKeyId\":\"ASIAEXAMPLE{:09}\"",
            random.u32(0..400)
        ),
    );
    push(
        out,
        format_args!(
            ",\"sessionContext\":{{\"sessionIssuer\":{{\"type\":\"Role\",\"principalId\":\"AROAEXAMPLE{account}\",\"arn\":\"arn:aws:iam::{account}:role/{role}\",\"accountId\":\"{account}\",\"userName\":\"{role}\"}},\"attributes\":{{\"creationDate\":\"{}\",\"mfaAuthenticated\":\"false\"}}}}}}",
            created.strftime("%Y-%m-%dT%H:%M:%SZ")
        ),
    );
}

/// Writes a template with its blanks filled: `#` a digit, `@` a word, `*` a letter or digit.
fn fill(random: &mut Random, template: &str, out: &mut String) {
    for char in template.chars() {
        match char {
            '#' => out.push(random.digit(10)),
            '@' => out.push_str(pick_one(random, WORDS)),
            '*' => out.push(random.alphanumeric()),
            _ => out.push(char),
        }
    }
}

fn write_random(random: &mut Random, length: usize, out: &mut String) {
    out.extend((0..length).map(|_| random.alphanumeric()));
}

fn write_uuid(random: &mut Random, out: &mut String) {
    let bits = random.u128(..);
    let (a, b, c, d) =
        (bits >> 96, (bits >> 80) & 0xffff, (bits >> 64) & 0xfff, (bits >> 48) & 0x3fff);
    push(
        out,
        format_args!(
            "{a:08x}-{b:04x}-4{c:03x}-{:04x}-{:012x}",
            d | 0x8000,
            bits & 0xffff_ffff_ffff
        ),
    );
}

fn pick_one<'a>(random: &mut Random, choices: &[&'a str]) -> &'a str {
    choices[random.usize(0..choices.len())]
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String does not fail.
    out.write_fmt(text).ok();
}
