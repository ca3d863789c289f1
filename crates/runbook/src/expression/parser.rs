//! Tokens to terms.
//!
//! From the loosest to the tightest: `? :`, `or`, `and`, `not`, comparisons and `in`, `+`, and what stands alone.

use serde_json::Value;

use super::lexer::{Token, tokens};
use super::{DEPTH_MAX, ExpressionError, Kind, Term};

pub(super) fn parse(text: &str) -> Result<Term, ExpressionError> {
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens, at: 0, end: text.len() };
    let term = parser.choice(0)?;
    match parser.tokens.get(parser.at) {
        None => Ok(term),
        Some(_) => Err(parser.refused(
            "the expression goes on where it could end",
            "write an operator between two values, or remove what follows",
        )),
    }
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    at: usize,
    end: usize,
}

type Parsed = Result<Term, ExpressionError>;

impl Parser {
    fn offset(&self) -> usize {
        self.tokens.get(self.at).map_or(self.end, |(offset, _)| *offset)
    }

    fn refused(&self, message: &str, help: &str) -> ExpressionError {
        ExpressionError {
            offset: self.offset(),
            message: message.to_owned(),
            help: help.to_owned(),
        }
    }

    /// Takes the next token if it is this one.
    fn takes(&mut self, token: &Token) -> bool {
        let is = self.tokens.get(self.at).is_some_and(|(_, next)| next == token);
        self.at += usize::from(is);
        is
    }

    /// Takes the next token if it is this word.
    fn takes_word(&mut self, word: &str) -> bool {
        let is = matches!(self.tokens.get(self.at), Some((_, Token::Path(names))) if names.len() == 1 && names[0] == word);
        self.at += usize::from(is);
        is
    }

    fn demand(&mut self, token: &Token, message: &str, help: &str) -> Result<(), ExpressionError> {
        if self.takes(token) { Ok(()) } else { Err(self.refused(message, help)) }
    }

    fn choice(&mut self, depth: usize) -> Parsed {
        if depth > DEPTH_MAX {
            return Err(self.refused("the expression is nested too deep", "write a flatter one"));
        }
        let offset = self.offset();
        let condition = self.many(depth, "or")?;
        if !self.takes(&Token::Question) {
            return Ok(condition);
        }
        let then = self.choice(depth + 1)?;
        self.demand(&Token::Colon, "`?` has no `:`", "write `CONDITION ? ONE : OTHER`")?;
        let otherwise = self.choice(depth + 1)?;
        let kind = Kind::Choose(Box::new(condition), Box::new(then), Box::new(otherwise));
        Ok(Term { offset, kind })
    }

    /// Terms with `or` between them, whose terms may have `and` between them.
    fn many(&mut self, depth: usize, word: &str) -> Parsed {
        let offset = self.offset();
        let mut terms = Vec::new();
        loop {
            terms.push(if word == "or" { self.many(depth, "and")? } else { self.negation(depth)? });
            if !self.takes_word(word) {
                break;
            }
        }
        Ok(one_or_many(offset, terms, if word == "or" { Kind::Or } else { Kind::And }))
    }

    fn negation(&mut self, depth: usize) -> Parsed {
        let offset = self.offset();
        if !self.takes_word("not") {
            return self.comparison(depth);
        }
        if depth >= DEPTH_MAX {
            return Err(self.refused("the expression is nested too deep", "write a flatter one"));
        }
        let kind = Kind::Not(Box::new(self.negation(depth + 1)?));
        Ok(Term { offset, kind })
    }

    fn comparison(&mut self, depth: usize) -> Parsed {
        let left = self.join(depth)?;
        let offset = self.offset();
        if let Some((_, Token::Compare(operator))) = self.tokens.get(self.at) {
            let operator = *operator;
            self.at += 1;
            let right = self.join(depth)?;
            let kind = Kind::Compare(operator, Box::new(left), Box::new(right));
            return Ok(Term { offset, kind });
        }
        if self.takes_word("in") {
            let right = self.join(depth)?;
            return Ok(Term { offset, kind: Kind::In(Box::new(left), Box::new(right)) });
        }
        Ok(left)
    }

    fn join(&mut self, depth: usize) -> Parsed {
        let offset = self.offset();
        let mut terms = vec![self.single(depth)?];
        while self.takes(&Token::Plus) {
            terms.push(self.single(depth)?);
        }
        Ok(one_or_many(offset, terms, Kind::Join))
    }

    fn single(&mut self, depth: usize) -> Parsed {
        let offset = self.offset();
        let Some((_, token)) = self.tokens.get(self.at).cloned() else {
            return Err(self.refused("a value is missing at the end", "write a path or a value"));
        };
        let missing = self.refused("a value is missing here", "write a path or a value");
        self.at += 1;
        let kind = match token {
            Token::Text(text) => Kind::Literal(Value::String(text)),
            Token::Number(number) => Kind::Literal(Value::from(number)),
            Token::Path(names) => return self.path(offset, names),
            Token::Open => {
                let term = self.choice(depth + 1)?;
                self.demand(&Token::Close, "a parenthesis is not closed", "write `)`")?;
                return Ok(term);
            }
            Token::OpenList => Kind::List(self.list(depth + 1)?),
            _ => return Err(missing),
        };
        Ok(Term { offset, kind })
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Term>, ExpressionError> {
        let mut terms = Vec::new();
        if self.takes(&Token::CloseList) {
            return Ok(terms);
        }
        loop {
            terms.push(self.choice(depth)?);
            if !self.takes(&Token::Comma) {
                self.demand(&Token::CloseList, "a list is not closed", "write `]`")?;
                return Ok(terms);
            }
        }
    }

    /// What begins with a name: a word of the language, a path, or `PATH.any('X')`.
    fn path(&mut self, offset: usize, mut names: Vec<String>) -> Parsed {
        let term = |kind| Ok(Term { offset, kind });
        if let [name] = names.as_slice() {
            match name.as_str() {
                "true" => return term(Kind::Literal(Value::Bool(true))),
                "false" => return term(Kind::Literal(Value::Bool(false))),
                "null" => return term(Kind::Literal(Value::Null)),
                "and" | "or" | "not" | "in" => {
                    let message = format!("a value is missing before `{name}`");
                    let help = "write a path or a value".to_owned();
                    return Err(ExpressionError { offset, message, help });
                }
                _ => {}
            }
        }
        if !self.takes(&Token::Open) {
            return term(Kind::Path(names));
        }
        if names.len() < 2 || names.pop().as_deref() != Some("any") {
            let message = "there is no such call".to_owned();
            let help = "the only call is `PATH.any('TEXT')`".to_owned();
            return Err(ExpressionError { offset, message, help });
        }
        let Some((_, Token::Text(text))) = self.tokens.get(self.at).cloned() else {
            return Err(self.refused("`any` takes a text", "write `PATH.any('TEXT')`"));
        };
        self.at += 1;
        self.demand(&Token::Close, "a parenthesis is not closed", "write `)`")?;
        term(Kind::Any(names, text))
    }
}

fn one_or_many(offset: usize, mut terms: Vec<Term>, many: fn(Vec<Term>) -> Kind) -> Term {
    match terms.pop() {
        Some(term) if terms.is_empty() => term,
        Some(term) => {
            terms.push(term);
            Term { offset, kind: many(terms) }
        }
        // Callers hand over at least one.
        None => Term { offset, kind: Kind::Literal(Value::Null) },
    }
}
