//! What follows in attacks, and whether it is armed before it happens: `follow [--table FILE.json]`.
//!
//! Prints what came of each attack carried out, armed from the others, and of the demonstration's intrusion, armed from all of them;
//! writes the table that is learnt from all. The measure is that of the tests.

#![expect(clippy::print_stdout, reason = "an example that is run for what it prints")]
#![expect(clippy::unwrap_used, reason = "what it reads lies beside the repository and is whole")]

use std::process::ExitCode;

#[path = "../tests/it/follow.rs"]
mod follow;

use follow::{Ahead, Shipped, attacks_folder, base_rate, each_from_the_others, measure};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let table = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => None,
        ["--table", path] => Some(path.to_owned()),
        _ => {
            println!("the only option is --table FILE.json");
            return ExitCode::FAILURE;
        }
    };
    let Some(folder) = attacks_folder() else {
        println!("the attacks carried out are not there");
        return ExitCode::FAILURE;
    };
    let shipped = Shipped::new();
    let (carried_out, reported) = (shipped.attacks(&folder), shipped.reported());
    let all = [carried_out.clone(), reported.clone()].concat();
    let mut follows = shipped.known();
    all.iter().for_each(|attack| follows.learn(&attack.steps()));
    let intrusion = shipped.intrusion();
    let measured = |rules_max| {
        [
            ("reported intrusions, each armed from the others and the attacks carried out", {
                measure(each_from_the_others(&shipped, &reported, &carried_out), rules_max)
            }),
            ("attacks carried out, each armed from the others and the reports", {
                measure(each_from_the_others(&shipped, &carried_out, &reported), rules_max)
            }),
            ("attacks carried out, each armed from the others alone", {
                measure(each_from_the_others(&shipped, &carried_out, &[]), rules_max)
            }),
            ("the demonstration's intrusion, armed from all of them", {
                measure([(&intrusion, follows.clone(), base_rate(all.iter()))], rules_max)
            }),
        ]
    };
    for rules_max in [5, 10, 20] {
        println!("at most {rules_max} rules");
        measured(rules_max).iter().for_each(|(what, outcome)| println!("  {what}: {outcome}"));
    }
    println!("each later step, at most 10 rules");
    for one in measured(10).into_iter().flat_map(|(_, outcome)| outcome.later) {
        let title = shipped.title(&one.rule);
        let base = if one.by_base_rate { ", also by the base rate" } else { "" };
        let new = if one.is_new { ", of no other attack" } else { "" };
        match one.armed {
            Some(Ahead { ms, probability, why }) => {
                let ahead = ms.map(|ms| format!(" {} s ahead", ms / 1000)).unwrap_or_default();
                println!(
                    "  {}: {title}{new}: armed{ahead}, {probability:.2}: {why}{base}",
                    one.attack
                );
            }
            None => println!("  {}: {title}{new}: not armed{base}", one.attack),
        }
    }
    if let Some(path) = table {
        let text = serde_json::to_string_pretty(&follows).unwrap();
        if let Err(error) = std::fs::write(&path, text + "\n") {
            println!("{path} is not written: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
