//! Templates: JSON with blanks in angle brackets.
//!
//! `<account>`, `<region>`, `<zone>`, `<team>`, `<env>`, `<app>`, `<me>`, `<session>`, `<role>`, `<person>`: where and who.
//! `<peer>` (any), `<friend>` (the app's), `<management>`, `<log-archive>`, `<security>`, `<shared>`, `<vendor>`: other accounts.
//! `<=name>`: 17 hexadecimal digits, the same for an account and region; `<~name>`: also for one of the app's things;
//! `<@name>`: a UUID, the same for an app. `<new>` and `<new-uuid>`: the same within one doing. `<hex:8>`, `<num:4>`,
//! `<count:4>` (no leading zero), `<text:56>`, `<uuid>`: drawn anew each time; `<pick:a|b>`: one of these. `<now>`,
//! `<said>`, `<day>`, `<stamp>`: the time, in the forms that services use. A name that is not known stays as it is, and
//! a test looks for such.

use std::fmt::Write as _;

use jiff::{Timestamp, ToSpan as _};

use super::accounts::{Account, Kind, VENDOR, mix};

/// Where a doing takes place, and what its blanks are filled with.
pub(super) struct Scene<'o> {
    pub(super) accounts: &'o [Account],
    pub(super) account: &'o Account,
    pub(super) region: &'static str,
    pub(super) time: Timestamp,
    /// One of the account's apps.
    pub(super) app: &'o str,
    /// Which of the app's things.
    pub(super) nth: u64,
    /// Drawn once for each doing.
    pub(super) new: u128,
    pub(super) arn: String,
    pub(super) role: String,
    pub(super) session: String,
    pub(super) person: String,
}

/// Appends the template with its blanks filled.
pub(super) fn fill(
    random: &mut fastrand::Rng,
    scene: &Scene<'_>,
    template: &str,
    out: &mut String,
) {
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('<') {
        out.push_str(before);
        let Some((name, after)) = after.split_once('>') else {
            out.push('<');
            rest = after;
            continue;
        };
        blank(random, scene, name, out);
        rest = after;
    }
    out.push_str(rest);
}

fn blank(random: &mut fastrand::Rng, scene: &Scene<'_>, name: &str, out: &mut String) {
    let kind = match name.as_bytes().first() {
        Some(b'=') => return hex(out, mix(&[&scene.account.id, scene.region, name], 0)),
        Some(b'~') => {
            let parts = [&scene.account.id, scene.region, scene.app, name];
            return hex(out, mix(&parts, scene.nth));
        }
        Some(b'@') => {
            let parts = [&scene.account.id, scene.region, scene.app, name];
            let bits = u128::from(mix(&parts, 1)) << 64 | u128::from(mix(&parts, 2));
            return write_uuid(out, bits);
        }
        _ => name.split_once(':'),
    };
    match kind {
        Some(("hex", length)) => drawn(random, length, out, |random| {
            char::from_digit(random.u32(0..16), 16).unwrap_or('0')
        }),
        Some(("num", length)) => drawn(random, length, out, |random| random.digit(10)),
        Some(("count", length)) => {
            let below = 10_u32.saturating_pow(length.parse().unwrap_or(1));
            push(out, format_args!("{}", random.u32(1..below)));
        }
        Some(("text", length)) => drawn(random, length, out, fastrand::Rng::alphanumeric),
        Some(("pick", choices)) => {
            let nth = random.usize(0..=choices.matches('|').count());
            out.push_str(choices.split('|').nth(nth).unwrap_or(choices));
        }
        _ => named(random, scene, name, out),
    }
}

fn named(random: &mut fastrand::Rng, scene: &Scene<'_>, name: &str, out: &mut String) {
    match name {
        "account" => out.push_str(&scene.account.id),
        "region" => out.push_str(scene.region),
        // As people shorten a region: `us-east-1` to `use1`.
        "zone" => {
            let mut parts = scene.region.split('-');
            out.push_str(parts.next().unwrap_or_default());
            parts.for_each(|part| out.push_str(&part[..1]));
        }
        "team" => out.push_str(scene.account.team),
        "env" => out.push_str(scene.account.kind.name()),
        "app" => out.push_str(scene.app),
        "me" => out.push_str(&scene.arn),
        "role" => out.push_str(&scene.role),
        "session" => out.push_str(&scene.session),
        "person" => out.push_str(&scene.person),
        "vendor" => out.push_str(VENDOR),
        "peer" => out.push_str(&scene.accounts[random.usize(0..scene.accounts.len())].id),
        // The same for an app, so that who trusts whom does not change.
        "friend" => {
            let nth = mix(&[&scene.account.id, scene.app], 4) % scene.accounts.len() as u64;
            out.push_str(&scene.accounts[usize::try_from(nth).unwrap_or(0)].id);
        }
        "management" => out.push_str(other(scene, Kind::Management)),
        "log-archive" => out.push_str(other(scene, Kind::LogArchive)),
        "security" => out.push_str(other(scene, Kind::Security)),
        "shared" => out.push_str(other(scene, Kind::Shared)),
        "uuid" => write_uuid(out, random.u128(..)),
        "new" => hex(out, mix(&["new"], u64::try_from(scene.new >> 64).unwrap_or(0))),
        "new-uuid" => write_uuid(out, scene.new),
        _ => when(scene, name, out),
    }
}

fn when(scene: &Scene<'_>, name: &str, out: &mut String) {
    let time = scene.time;
    match name {
        "now" => push(out, format_args!("{}", time.strftime("%Y-%m-%dT%H:%M:%SZ"))),
        "later" => push(out, format_args!("{}", said(time + 1.hour()))),
        "said" => push(out, format_args!("{}", said(time))),
        "day" => push(out, format_args!("{}", time.strftime("%Y/%m/%d"))),
        "stamp" => push(out, format_args!("{}", time.strftime("%Y%m%d%H%M%S"))),
        "millis" => push(out, format_args!("{}", time.as_millisecond())),
        _ => push(out, format_args!("<{name}>")),
    }
}

/// A time as services with an older format write it into their answers.
fn said(time: Timestamp) -> impl std::fmt::Display {
    time.strftime("%b %-d, %Y, %-I:%M:%S %p").to_string()
}

/// The first account of this kind, also if its own logs are not written.
fn other<'s>(scene: &'s Scene<'_>, kind: Kind) -> &'s str {
    let id = scene.accounts.iter().find(|account| account.kind == kind);
    id.map_or("100000999999", |account| &account.id)
}

fn drawn(
    random: &mut fastrand::Rng,
    length: &str,
    out: &mut String,
    draw: impl Fn(&mut fastrand::Rng) -> char,
) {
    let length: usize = length.parse().unwrap_or(8);
    out.extend((0..length).map(|_| draw(random)));
}

/// The seventeen digits of a resource's id, of which AWS begins every one with a zero.
fn hex(out: &mut String, bits: u64) {
    push(out, format_args!("0{bits:016x}"));
}

pub(super) fn write_uuid(out: &mut String, bits: u128) {
    let (a, b, c) = (bits >> 96, (bits >> 80) & 0xffff, (bits >> 64) & 0xfff);
    let (d, e) = (((bits >> 48) & 0x3fff) | 0x8000, bits & 0xffff_ffff_ffff);
    push(out, format_args!("{a:08x}-{b:04x}-4{c:03x}-{d:04x}-{e:012x}"));
}

pub(super) fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String does not fail.
    out.write_fmt(text).ok();
}
