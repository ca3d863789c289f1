//! The condition language: `selection and not 1 of filter_*`, read by recursive descent.
//!
//! `not` binds tighter than `and`, `and` tighter than `or`. Names are words; what looks like an operator at the
//! start of a word, as in `notsel`, is part of the name.

use std::cell::Cell;

use crate::diagnostic::{Reporter, Severity, code, quoted};
use crate::modifier::nearest;
use crate::test::Expr;
use crate::yaml::{Mark, Node};

/// Parentheses and `not` nest no deeper.
const DEPTH_MAX: usize = 64;

/// The conditions of a document may name at most so many values, repetitions counted: a short condition can name a long
/// selection many times.
pub(crate) const VALUES_MAX: usize = 100_000;

/// A named part of a detection.
pub(crate) struct Identifier {
    pub(crate) name: String,
    pub(crate) mark: Mark,
    pub(crate) expr: Expr,
    pub(crate) is_used: bool,
}

/// Reads one condition; `None` and a diagnostic if it makes no sense.
pub(crate) fn read(
    node: &Node,
    identifiers: &mut [Identifier],
    values_left: &Cell<usize>,
    reporter: &mut Reporter<'_>,
) -> Option<Expr> {
    let text = node.text();
    let words = words(text);
    let mut parser = Parser { node, text, words, at: 0, identifiers, values_left, reporter };
    if parser.words.is_empty() {
        let help = "write which identifiers have to match, such as `selection`";
        parser.reporter.error(node.mark, code::BAD_CONDITION, "the condition is empty", help);
        return None;
    }
    let expr = parser.or(0)?;
    match parser.peek() {
        None => Some(expr),
        Some((offset, "|")) => {
            parser.error(
                offset,
                "|",
                code::LEGACY_AGGREGATION,
                "aggregations after `|` are not part of Sigma any more".to_owned(),
                "leave the rule out: counting is for correlation rules, which are not supported yet"
                    .to_owned(),
            );
            None
        }
        Some((offset, word)) => {
            let message = format!("{} stands where the condition should end", quoted(word));
            let help = match word {
                ")" => "remove it, or write `(` where its group begins".to_owned(),
                _ => "join the parts with `and` or `or`".to_owned(),
            };
            parser.error(offset, word, code::BAD_CONDITION, message, help);
            None
        }
    }
}

/// The words of a condition with their offsets. Parentheses and `|` are words of their own.
fn words(text: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices() {
        let is_mark = matches!(c, '(' | ')' | '|');
        if is_mark || c.is_whitespace() {
            if let Some(start) = start.take() {
                words.push((start, &text[start..at]));
            }
            if is_mark {
                words.push((at, &text[at..=at]));
            }
        } else if start.is_none() {
            start = Some(at);
        }
    }
    if let Some(start) = start {
        words.push((start, &text[start..]));
    }
    words
}

struct Parser<'c, 'r, 'p> {
    node: &'c Node,
    text: &'c str,
    words: Vec<(usize, &'c str)>,
    at: usize,
    identifiers: &'r mut [Identifier],
    values_left: &'r Cell<usize>,
    reporter: &'r mut Reporter<'p>,
}

impl<'c> Parser<'c, '_, '_> {
    fn or(&mut self, depth: usize) -> Option<Expr> {
        let mut parts = vec![self.and(depth)?];
        while self.take("or") {
            parts.push(self.and(depth)?);
        }
        Some(if parts.len() == 1 { parts.remove(0) } else { Expr::Any(parts) })
    }

    fn and(&mut self, depth: usize) -> Option<Expr> {
        let mut parts = vec![self.not(depth)?];
        while self.take("and") {
            parts.push(self.not(depth)?);
        }
        Some(if parts.len() == 1 { parts.remove(0) } else { Expr::All(parts) })
    }

    fn not(&mut self, depth: usize) -> Option<Expr> {
        if depth > DEPTH_MAX {
            let (offset, word) = self.peek().unwrap_or((0, self.text));
            let message = format!("the condition nests more than {DEPTH_MAX} deep");
            let help = "name parts of it as identifiers of their own".to_owned();
            self.error(offset, word, code::TOO_LARGE, message, help);
            return None;
        }
        if self.take("not") {
            return Some(Expr::Not(Box::new(self.not(depth + 1)?)));
        }
        let Some((offset, word)) = self.peek() else {
            let message = "the condition ends where a name should stand".to_owned();
            let (offset, word) = self.words.last().copied().unwrap_or((0, ""));
            let help = "write an identifier after the last operator".to_owned();
            self.error(offset, word, code::BAD_CONDITION, message, help);
            return None;
        };
        self.at += 1;
        match word {
            "(" => {
                let inner = self.or(depth + 1)?;
                if self.peek().is_some_and(|(_, word)| word == ")") {
                    self.at += 1;
                    return Some(inner);
                }
                let message = "this parenthesis is not closed".to_owned();
                self.error(offset, word, code::BAD_CONDITION, message, "write `)`".to_owned());
                None
            }
            ")" | "|" => {
                let message = format!("{} stands where a name should stand", quoted(word));
                let help = "write an identifier here".to_owned();
                self.error(offset, word, code::BAD_CONDITION, message, help);
                None
            }
            _ if self.is_next("of") => self.quantified(offset, word),
            _ => self.named(offset, word),
        }
    }

    /// `1 of them`, `all of sel_*`, `2 of (…)` and the like; `amount` is read, `of` is next.
    fn quantified(&mut self, offset: usize, amount: &'c str) -> Option<Expr> {
        if let Some((offset, word)) = self.peek().filter(|(_, word)| *word != "of") {
            self.lint_case(offset, word);
        }
        self.at += 1;
        let lower = amount.to_ascii_lowercase();
        let at_least = match lower.as_str() {
            "all" => None,
            "any" => Some(1),
            digits => match digits.parse::<usize>() {
                Ok(number) if number > 0 => Some(number),
                _ => {
                    let message = format!("{} is no amount", quoted(amount));
                    let help = "write `1 of`, `any of`, `all of` or a number from 1".to_owned();
                    self.error(offset, amount, code::BAD_CONDITION, message, help);
                    return None;
                }
            },
        };
        if lower != amount {
            self.lint_case(offset, amount);
        }
        let Some((pattern_offset, pattern)) = self.peek() else {
            let message = "the condition ends after `of`".to_owned();
            let help = "write `them`, a name or a pattern such as `selection_*`".to_owned();
            self.error(offset, amount, code::BAD_CONDITION, message, help);
            return None;
        };
        self.at += 1;
        let parts = self.matching(pattern_offset, pattern)?;
        if at_least.is_some_and(|number| number > parts.len()) {
            let message = format!(
                "{} of {}, but only {} match",
                quoted(amount),
                quoted(pattern),
                parts.len()
            );
            let help = "lower the number or write `all of`".to_owned();
            self.error(offset, amount, code::BAD_CONDITION, message, help);
            return None;
        }
        Some(match at_least {
            None => Expr::All(parts),
            Some(1) => Expr::Any(parts),
            Some(number) => Expr::AtLeast(number, parts),
        })
    }

    /// The identifiers that `them` or a pattern stands for. Those that begin with `_` are meant to be left out.
    fn matching(&mut self, offset: usize, pattern: &'c str) -> Option<Vec<Expr>> {
        let is_them = pattern.eq_ignore_ascii_case("them");
        if is_them && pattern != "them" {
            self.lint_case(offset, pattern);
        }
        let wanted: Vec<usize> = (0..self.identifiers.len())
            .filter(|&nth| {
                let name = &self.identifiers[nth].name;
                let is_hidden = name.starts_with('_') && !pattern.starts_with('_');
                if is_them {
                    !is_hidden
                } else if pattern == name {
                    true
                } else {
                    !is_hidden && pattern.contains('*') && fits(pattern, name)
                }
            })
            .collect();
        if wanted.is_empty() {
            let message = format!("{} matches no identifier of this rule", quoted(pattern));
            let help = match pattern {
                "(" => {
                    "write `them`, a name or a pattern: no parentheses can follow `of`".to_owned()
                }
                _ => self.defined(),
            };
            self.error(offset, pattern, code::UNDEFINED_IDENTIFIER, message, help);
            return None;
        }
        wanted.into_iter().map(|nth| self.use_identifier(offset, nth)).collect()
    }

    fn named(&mut self, offset: usize, word: &'c str) -> Option<Expr> {
        if let Some(nth) = self.identifiers.iter().position(|known| known.name == word) {
            return self.use_identifier(offset, nth);
        }
        let names: Vec<&str> = self.identifiers.iter().map(|known| known.name.as_str()).collect();
        let (code, message, help) = match word.to_ascii_lowercase().as_str() {
            "and" | "or" => (
                code::BAD_CONDITION,
                format!("{} stands where a name should stand", quoted(word)),
                "write an identifier before it".to_owned(),
            ),
            "of" => (
                code::BAD_CONDITION,
                format!("{} stands where a name should stand", quoted(word)),
                "write an amount before it, such as `1 of` or `all of`".to_owned(),
            ),
            _ => (
                code::UNDEFINED_IDENTIFIER,
                format!("the condition names {}, which is not defined", quoted(word)),
                self.remedy(word, &names),
            ),
        };
        self.error(offset, word, code, message, help);
        None
    }

    /// What to write instead of a name that is none.
    fn remedy(&self, word: &str, names: &[&str]) -> String {
        if let Some(name) = word.strip_prefix(['!', '~', '-']) {
            return format!("write `not {}`", nearest(name, names).unwrap_or(name));
        }
        if let Some(name) = word.strip_suffix([',', ';', '+']) {
            return format!("write {} and join the parts with `and` or `or`", quoted(name));
        }
        let is_amount = matches!(word, "all" | "any") || word.parse::<usize>().is_ok();
        if is_amount {
            return format!("write `{word} of them`, or a pattern instead of `them`");
        }
        match nearest(word, names) {
            Some(near) => format!("write {}", quoted(near)),
            None => self.defined(),
        }
    }

    fn use_identifier(&mut self, offset: usize, nth: usize) -> Option<Expr> {
        let identifier = &mut self.identifiers[nth];
        identifier.is_used = true;
        let left = self.values_left.get().checked_sub(identifier.expr.weight());
        self.values_left.set(left.unwrap_or(0));
        if left.is_none() {
            let message = format!("the condition names more than {VALUES_MAX} values");
            let help = "split the rule, or name each identifier once".to_owned();
            self.error(offset, "", code::TOO_LARGE, message, help);
            return None;
        }
        Some(self.identifiers[nth].expr.clone())
    }

    fn defined(&self) -> String {
        const SHOWN_MAX: usize = 12;
        if self.identifiers.is_empty() {
            return "define it beside the condition: nothing else is defined there".to_owned();
        }
        let mut names: Vec<_> =
            self.identifiers.iter().take(SHOWN_MAX).map(|known| quoted(&known.name)).collect();
        if self.identifiers.len() > SHOWN_MAX {
            names.push("…".to_owned());
        }
        format!("the rule defines {}", names.join(", "))
    }

    fn peek(&self) -> Option<(usize, &'c str)> {
        self.words.get(self.at).copied()
    }

    fn is_next(&self, operator: &str) -> bool {
        self.peek().is_some_and(|(_, word)| word.eq_ignore_ascii_case(operator))
    }

    /// Takes an operator if it is next. In capitals it counts too, unless an identifier bears that very name.
    fn take(&mut self, operator: &str) -> bool {
        let Some((offset, word)) = self.peek() else { return false };
        if word == operator {
            self.at += 1;
            return true;
        }
        if !word.eq_ignore_ascii_case(operator)
            || self.identifiers.iter().any(|known| known.name == word)
        {
            return false;
        }
        self.lint_case(offset, word);
        self.at += 1;
        true
    }

    fn lint_case(&mut self, offset: usize, word: &str) {
        if self.reporter.is_full(Severity::Warning) {
            return;
        }
        let mark = self.reporter.mark_within(self.node, self.text, offset, word);
        self.reporter.warning(
            mark,
            code::UPPERCASE_OPERATOR,
            format!("{} is written in capitals", quoted(word)),
            format!("write `{}`", word.to_ascii_lowercase()),
        );
    }

    fn error(
        &mut self,
        offset: usize,
        word: &str,
        code: &'static str,
        message: String,
        help: String,
    ) {
        let mark = self.reporter.mark_within(self.node, self.text, offset, word);
        self.reporter.error(mark, code, message, help);
    }
}

/// Whether a name fits a pattern in which `*` stands for any run of characters.
fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_take_stars_anywhere() {
        for (pattern, name, expected) in [
            ("sel_*", "sel_x", true),
            ("sel_*", "sel_", true),
            ("*_y", "sel_y", true),
            ("s*_y", "sel_y", true),
            ("s*l*y", "sel_y", true),
            ("s*_y", "sel_x", false),
            ("*", "anything", true),
            ("a*a", "a", false),
            ("sel", "sel_x", false),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn words_split_at_parentheses_and_pipes() {
        let split: Vec<&str> = words("not (a or sel-1)|count()").iter().map(|w| w.1).collect();
        assert_eq!(split, ["not", "(", "a", "or", "sel-1", ")", "|", "count", "(", ")"]);
    }
}
