//! What follows in attacks, and whether it is armed before it happens: `follow [--table FILE.json]`.
//!
//! Prints what came of each attack carried out, armed from the others, and of the demonstration's intrusion, armed from all of them;
//! writes the table that is learnt from all. The measure is that of the tests.

#![expect(clippy::print_stdout, reason = "an example that is run for what it prints")]
#![expect(clippy::unwrap_used, reason = "what it reads lies beside the repository and is whole")]

use std::process::ExitCode;

#[path = "../tests/it/follow.rs"]
mod follow;

use follow::{Shipped, attacks_folder, base_rate, each_from_the_others, measure};

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
    let follows = shipped.learnt(&all);
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
    measured(10).iter().for_each(|(what, outcome)| println!("{what}\n{}", outcome.told(&shipped)));
    if let Some(path) = table {
        let text = serde_json::to_string_pretty(&follows).unwrap();
        if let Err(error) = std::fs::write(&path, text + "\n") {
            println!("{path} is not written: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
