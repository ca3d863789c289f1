//! Which step leads to which: all names exist, all steps are reached, none leads back to itself.

use std::collections::BTreeMap;

use trailloop_rules::source::{Mark, nearest, quoted};

use super::Places;
use crate::diagnostic::code;
use crate::document::{Action, OnFailure, Runbook};
use crate::load::Reading;

pub(super) fn check(runbook: &Runbook, places: &Places<'_>, reading: &mut Reading<'_, '_>) {
    let mut flow = Flow { runbook, places, reading, is_whole: true };
    let ways: Vec<Vec<usize>> = (0..runbook.steps.len()).map(|nth| flow.ways(nth)).collect();
    // A name that leads nowhere makes steps look unreachable that are not.
    if flow.is_whole {
        flow.reached(&ways);
        flow.rings(&ways);
    }
    flow.undo();
}

struct Flow<'f, 'n, 'r, 'a> {
    runbook: &'f Runbook,
    places: &'f Places<'n>,
    reading: &'f mut Reading<'r, 'a>,
    is_whole: bool,
}

impl Flow<'_, '_, '_, '_> {
    /// The steps that may follow a step.
    fn ways(&mut self, nth: usize) -> Vec<usize> {
        let runbook = self.runbook;
        let step = &runbook.steps[nth];
        let node = self.places.step(nth);
        let place = |key: &str| node.get(key).map_or(node.mark, |node| node.mark);
        let next = match &step.next {
            Some(name) => self.find(name, place("nextStep")),
            None => Some(nth + 1).filter(|next| *next < runbook.steps.len()),
        };
        let mut ways = Vec::new();
        let mut goes_on = !step.is_end;
        if let Action::Branch { choices, default } = &step.action {
            let inputs = self.places.inputs(nth);
            let at = |key: &str| inputs.get(key).map_or(inputs.mark, |node| node.mark);
            for choice in choices {
                ways.extend(self.find(&choice.next, at("Choices")));
            }
            if let Some(default) = default {
                ways.extend(self.find(default, at("Default")));
                goes_on = false;
            }
        }
        if goes_on {
            ways.extend(next);
        }
        match &step.on_failure {
            OnFailure::Step(name) => ways.extend(self.find(name, place("onFailure"))),
            OnFailure::Continue => ways.extend(next),
            OnFailure::Abort => {}
        }
        if let Some(name) = &step.on_cancel {
            ways.extend(self.find(name, place("onCancel")));
        }
        ways
    }

    fn find(&mut self, name: &str, mark: Mark) -> Option<usize> {
        let found = self.runbook.steps.iter().position(|step| step.name == name);
        if found.is_none() {
            self.is_whole = false;
            self.unknown(name, mark);
        }
        found
    }

    fn unknown(&mut self, name: &str, mark: Mark) {
        let names: Vec<&str> = self.runbook.steps.iter().map(|step| step.name.as_str()).collect();
        let help = match nearest(name, &names) {
            Some(near) => format!("write `{near}` if that is meant"),
            None => "write the `name` of a step".to_owned(),
        };
        let message = format!("there is no step {}", quoted(name));
        self.reading.error(mark, code::UNKNOWN_STEP, message, help);
    }

    fn reached(&mut self, ways: &[Vec<usize>]) {
        let mut is_reached = vec![false; ways.len()];
        let mut open = vec![0];
        while let Some(nth) = open.pop() {
            if !std::mem::replace(&mut is_reached[nth], true) {
                open.extend(&ways[nth]);
            }
        }
        for (nth, _) in is_reached.iter().enumerate().filter(|(_, is_reached)| !**is_reached) {
            let message = format!("no way leads to step `{}`", self.runbook.steps[nth].name);
            let help = "name it in a `nextStep`, `onFailure` or choice, take away the `isEnd` before it, or remove it";
            self.reading.error(self.places.step(nth).mark, code::UNREACHABLE_STEP, message, help);
        }
    }

    /// Steps are taken away that lead nowhere any more; what is left leads back to itself.
    fn rings(&mut self, ways: &[Vec<usize>]) {
        let mut left: BTreeMap<usize, Vec<usize>> = ways.iter().cloned().enumerate().collect();
        loop {
            let ended: Vec<usize> =
                left.iter().filter(|(_, ways)| ways.is_empty()).map(|(nth, _)| *nth).collect();
            if ended.is_empty() {
                break;
            }
            left.retain(|nth, _| !ended.contains(nth));
            left.values_mut().for_each(|ways| ways.retain(|way| !ended.contains(way)));
        }
        if let Some((nth, _)) = left.first_key_value() {
            let message =
                format!("step `{}` can lead back to itself", self.runbook.steps[*nth].name);
            let help = "let steps lead forwards only; `maxAttempts` repeats a step, and aws:waitForAwsResourceProperty waits";
            self.reading.error(self.places.step(*nth).mark, code::FLOW_LOOP, message, help);
        }
    }

    fn undo(&mut self) {
        for name in self.runbook.undo.keys() {
            if self.runbook.step(name).is_none() {
                let mark = self.places.key("undo", name);
                self.unknown(name, mark);
            }
        }
    }
}
