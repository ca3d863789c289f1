//! The catalogue as a page for people, `docs/actions.md`.

use std::collections::BTreeSet;

use super::{Api, Input, all};

const HEAD: &str = "# Actions

What a runbook may ask of AWS. The list is closed: a call that does not stand here is never made. A test keeps this page
(`crates/runbook/src/catalogue`).

Risk: **R0** reads, tells or keeps; **R1** is reversible and narrow; **R2** is reversible and wide; **R3** is irreversible or of a whole
organization: it is planned and exported, and a person makes it. A policy for a user or a role that does nothing but end sessions (of a
role: one session) is R1; a service control policy on anything but an account is R3.

Inputs in parentheses may be left out. The executor's role needs the rights of the API, of the reads of its state and of its inverses;
`trailloop runbook check` prints them for the runbooks that are loaded.

";

/// The page.
#[must_use]
pub fn reference() -> String {
    let mut page = HEAD.to_owned();
    let services: Vec<&str> =
        all().map(|api| api.service).fold(Vec::new(), |mut known, service| {
            if !known.contains(&service) {
                known.push(service);
            }
            known
        });
    for service in services {
        let of_service = || all().filter(move |api| api.service == service);
        line(&mut page, format_args!("## {service}\n"));
        if of_service().any(|api| api.changes) {
            page += "| Change | Risk | Made by | Inputs | Right | State read by | Inverse |\n|---|---|---|---|---|---|---|\n";
            for api in of_service().filter(|api| api.changes) {
                change(&mut page, api);
            }
            page.push('\n');
        }
        if of_service().any(|api| !api.changes) {
            page += "| Read or message | Inputs | Right |\n|---|---|---|\n";
            for api in of_service().filter(|api| !api.changes) {
                let (inputs, right) = (inputs(api.inputs), right(api));
                line(&mut page, format_args!("| {} | {inputs} | {right} |", api.name));
            }
            page.push('\n');
        }
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

fn change(page: &mut String, api: &Api) {
    let made_by = match (api.runs, api.undo_only) {
        (false, _) => "a person",
        (true, true) => "undo alone",
        (true, false) => "a runbook",
    };
    let reads = api.reads().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ");
    let inverses = match api.inverses() {
        [] => "none".to_owned(),
        inverses => inverses.join(", "),
    };
    line(
        page,
        format_args!(
            "| {} | {} | {made_by} | {} | {} | {reads} | {inverses} |",
            api.name,
            api.risk.name(),
            inputs(api.inputs),
            right(api)
        ),
    );
}

fn inputs(inputs: &[Input]) -> String {
    let one = |input: &Input| match input.required {
        true => input.name.to_owned(),
        false => format!("({})", input.name),
    };
    inputs.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// The action, what it is on, and what it needs beside.
fn right(api: &Api) -> String {
    let resources = match api.resources {
        [] => "`*`".to_owned(),
        resources => resources.iter().map(|arn| format!("`{arn}`")).collect::<Vec<_>>().join(", "),
    };
    let mut text = format!("`{}` on {resources}", api.action());
    if let Some((key, input)) = api.condition {
        text += &format!(", if `{key}` is {input}");
    }
    for also in api.also {
        text += &format!("; `{}`", also.action);
    }
    text
}

fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.push_str(&text.to_string());
    page.push('\n');
}
