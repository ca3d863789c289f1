//! What the benchmarks share: records from a seed and real ones, and rules of the shape of the public ones.
//!
//! Results are ratios from one run on one machine; `benches/runs/` keeps them with the command that repeats them.

pub mod apis;
pub mod contest;
pub mod corpus;
pub mod process;
pub mod proxy;
pub mod python;
pub mod records;
pub mod rules;

pub use records::corpus;
pub use rules::{compile, synthetic_rules};

#[cfg(test)]
mod tests {
    use trailloop_content::files;

    /// What is ours in a rule stands under `trailloop:`, which Sigma lets others ignore.
    #[test]
    fn other_engines_take_the_shipped_rules() {
        let mut refused = Vec::new();
        for (path, text) in files() {
            let parsed = rsigma_parser::parse_sigma_yaml(text);
            if !parsed.is_ok_and(|found| found.errors.is_empty() && found.rules.len() == 1) {
                refused.push(format!("rsigma: {path}"));
            }
            // Array scopes are of Sigma 3, which rsigma reads and sigma-rust does not.
            if text.contains("\nsigma-version: 3") {
                continue;
            }
            let error = sigma_rust::rule_from_yaml(text).err().map(|error| error.to_string());
            // Sigma has these modifiers, sigma-rust 0.7 has not.
            let is_known =
                |error: &String| error.contains("'neq'") || error.contains("modifier 'i'");
            if let Some(error) = error.filter(|error| !is_known(error)) {
                refused.push(format!("sigma-rust: {path}: {error}"));
            }
        }
        assert_eq!(refused, Vec::<String>::new());
    }
}
