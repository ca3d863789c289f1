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
    let attacks = shipped.attacks(&folder);
    let mut all = shipped.known();
    attacks.iter().for_each(|attack| all.learn(&attack.steps()));
    println!("{} attacks, each armed from the others", attacks.len());
    for rules_max in [5, 10, 20] {
        println!("  {}", measure(each_from_the_others(&shipped, &attacks), rules_max));
    }
    println!("the demonstration's intrusion, armed from all of them");
    let intrusion = shipped.intrusion();
    for rules_max in [5, 10, 20] {
        let one = [(&intrusion, all.clone(), base_rate(attacks.iter()))];
        println!("  {}", measure(one, rules_max));
    }
    println!("later steps, at most 20 rules");
    let mut told = measure(each_from_the_others(&shipped, &attacks), 20).later;
    told.extend(measure([(&intrusion, all.clone(), base_rate(attacks.iter()))], 20).later);
    for one in told {
        let title = shipped.title(&one.rule);
        let base = if one.by_base_rate { ", also by the base rate" } else { "" };
        let new = if one.is_new { ", of no other attack" } else { "" };
        match one.armed {
            Some((ahead_ms, why)) => println!(
                "  {}: {title}{new}: armed {} s ahead, {why}{base}",
                one.attack,
                ahead_ms / 1000
            ),
            None => println!("  {}: {title}{new}: not armed{base}", one.attack),
        }
    }
    if let Some(path) = table {
        let text = serde_json::to_string_pretty(&all).unwrap();
        if let Err(error) = std::fs::write(&path, text + "\n") {
            println!("{path} is not written: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
