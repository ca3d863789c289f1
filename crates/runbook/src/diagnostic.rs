//! The kinds of problems that the loader and the checks know.

pub use trailloop_rules::{Diagnostic, Severity};

/// Declares each code once, as a constant for the loader and as a row of the table for readers.
macro_rules! codes {
    ($($name:ident = $code:literal: $meaning:literal,)*) => {
        /// The codes as constants, so that no place can misspell one.
        pub(crate) mod code {
            $(pub(crate) const $name: &str = $code;)*
        }

        /// Every code that a [`Diagnostic`] of a runbook can carry beside those of reading YAML, with its meaning, in
        /// alphabetical order.
        pub const CODES: &[(&str, &str)] = &[$(($code, $meaning),)*];
    };
}

codes! {
    BAD_BRANCH = "bad-branch": "a choice of a branch that is no comparison and a step",
    BAD_DOCUMENT = "bad-document": "an input that has to be a document of JSON and would not be one",
    BAD_DURATION = "bad-duration": "a text that is no length of time",
    BAD_EXPRESSION = "bad-expression": "a condition or binding that is none, or whose types don't fit",
    BAD_ID = "bad-id": "a name that is not made of small letters, digits and hyphens, or of the letters that are allowed",
    BAD_PARAMETER = "bad-parameter": "a default or allowed value that the parameter could not have",
    BAD_PATTERN = "bad-pattern": "an `allowedPattern` that is none, or does not hold for the whole text",
    BAD_SELECTOR = "bad-selector": "a place in an answer that does not begin with `$`",
    BAD_TEMPLATE = "bad-template": "braces that name no value, or stand where no value may",
    BAD_TEST = "bad-test": "an example that is no finding and expectation",
    BAD_TRIGGER = "bad-trigger": "a trigger that says nothing, or says two things",
    BAD_VALUE = "bad-value": "a value that is none of those allowed here",
    DUPLICATE_NAME = "duplicate-name": "two steps, queries or runbooks of one name",
    EMPTY_FILE = "empty-file": "the file holds no runbook",
    FLOW_LOOP = "flow-loop": "steps that lead back to themselves",
    MISSING_BIND = "missing-bind": "a parameter without a binding or a default",
    MISSING_KEY = "missing-key": "a key that has to be there is not",
    MISSING_PATTERN = "missing-pattern": "a text that reaches a change without a pattern that it has to match",
    MISSING_UNDO = "missing-undo": "a step that changes something and can't be undone",
    NEVER_AUTO = "never-auto": "mode `auto` with a step that no machine may take alone",
    NOT_RUN_HERE = "not-run-here": "a step that is exported and never run here",
    POLICY_TOO_LONG = "policy-too-long": "a policy that AWS would refuse for its length",
    SEVERAL_RUNBOOKS = "several-runbooks": "a file with more than one document",
    UNDECLARED_VALUE = "undeclared-value": "a template of a parameter or output that is not declared",
    UNKNOWN_ACTION = "unknown-action": "an action that Automation does not have or that we don't take",
    UNKNOWN_API = "unknown-api": "an API that is not in the catalogue",
    UNKNOWN_INPUT = "unknown-input": "an input that the API does not have",
    UNKNOWN_KEY = "unknown-key": "a key that the format does not have",
    UNKNOWN_RUNBOOK = "unknown-runbook": "the id of a runbook that is not loaded",
    UNKNOWN_STEP = "unknown-step": "the name of a step that is not there",
    UNREACHABLE_STEP = "unreachable-step": "a step that no way leads to",
    UNUSED_PARAMETER = "unused-parameter": "a parameter that no step uses",
    WRONG_TYPE = "wrong-type": "a list, mapping or scalar where another of them belongs",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_kebab_case_and_unique() {
        assert!(CODES.windows(2).all(|pair| pair[0].0 < pair[1].0), "sorted and unique");
        assert!(
            CODES.iter().all(|(code, _)| code.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'))
        );
    }
}
