//! Python's literals, as far as numpy writes them: what describes an array. The parser takes time in proportion to the text.

/// The deepest nesting: a field that is a record of records of arrays has 8.
const DEEPEST: u32 = 8;

/// A literal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Text in quotes.
    Text(String),
    /// A whole number, not negative.
    Integer(u64),
    /// True or False.
    Boolean(bool),
    /// A tuple or a list.
    Sequence(Vec<Value>),
    /// A dictionary whose keys are texts.
    Dictionary(Vec<(String, Value)>),
}

/// Parses a text that is one literal.
pub fn parse(text: &str) -> Result<Value, String> {
    let mut parser = Parser { text, at: 0 };
    let value = parser.value(DEEPEST)?;
    parser.blanks();
    if parser.at == text.len() { Ok(value) } else { Err(parser.wrong("the end")) }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    /// Takes a byte if it comes next, after blanks.
    fn take(&mut self, byte: u8) -> bool {
        self.blanks();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn wrong(&self, needed: &str) -> String {
        format!("its header lacks {needed} at character {}", self.at + 1)
    }

    fn value(&mut self, depth: u32) -> Result<Value, String> {
        let depth = depth.checked_sub(1).ok_or_else(|| format!("its header is nested more than {DEEPEST} deep"))?;
        self.blanks();
        match self.peek() {
            Some(b'\'' | b'"') => self.string().map(Value::Text),
            Some(b'0'..=b'9') => self.integer(),
            Some(b'(') => self.sequence(b')', depth),
            Some(b'[') => self.sequence(b']', depth),
            Some(b'{') => self.dictionary(depth),
            _ => self.boolean(),
        }
    }

    fn boolean(&mut self) -> Result<Value, String> {
        for (word, value) in [("True", true), ("False", false)] {
            if self.text[self.at..].starts_with(word) {
                self.at += word.len();
                return Ok(Value::Boolean(value));
            }
        }
        Err(self.wrong("a value"))
    }

    fn integer(&mut self) -> Result<Value, String> {
        let digits = self.text[self.at..].bytes().take_while(u8::is_ascii_digit).count();
        let number = self.text[self.at..self.at + digits].parse().map_err(|_| self.wrong("a number of 64 bits"))?;
        self.at += digits;
        // Python 2 wrote an L after long integers.
        self.at += usize::from(self.peek() == Some(b'L'));
        Ok(Value::Integer(number))
    }

    fn string(&mut self) -> Result<String, String> {
        let mut text = String::new();
        let mut chars = self.text[self.at..].char_indices();
        let quote = chars.next().map(|(_, quote)| quote);
        while let Some((index, c)) = chars.next() {
            match c {
                _ if Some(c) == quote => {
                    self.at += index + 1;
                    return Ok(text);
                }
                '\\' => {
                    let digits = match chars.next().map(|(_, c)| c) {
                        Some(c @ ('\\' | '\'' | '"')) => {
                            text.push(c);
                            continue;
                        }
                        Some('n') => {
                            text.push('\n');
                            continue;
                        }
                        Some('t') => {
                            text.push('\t');
                            continue;
                        }
                        Some('x') => 2,
                        Some('u') => 4,
                        Some('U') => 8,
                        _ => return Err(self.wrong("a text with known escapes")),
                    };
                    let code: String = chars.by_ref().take(digits).map(|(_, c)| c).collect();
                    let c = u32::from_str_radix(&code, 16).ok().and_then(char::from_u32);
                    text.push(c.ok_or_else(|| self.wrong("a text with known escapes"))?);
                }
                _ => text.push(c),
            }
        }
        Err(self.wrong("a text with both quotes"))
    }

    fn sequence(&mut self, close: u8, depth: u32) -> Result<Value, String> {
        self.at += 1;
        let mut values = Vec::new();
        while !self.take(close) {
            values.push(self.value(depth)?);
            if !self.take(b',') && self.peek() != Some(close) {
                return Err(self.wrong("a comma or the end of a sequence"));
            }
        }
        Ok(Value::Sequence(values))
    }

    fn dictionary(&mut self, depth: u32) -> Result<Value, String> {
        self.at += 1;
        let mut entries: Vec<(String, Value)> = Vec::new();
        while !self.take(b'}') {
            self.blanks();
            if !matches!(self.peek(), Some(b'\'' | b'"')) {
                return Err(self.wrong("a key"));
            }
            let key = self.string()?;
            if !self.take(b':') {
                return Err(self.wrong("a colon"));
            }
            if entries.iter().any(|(other, _)| *other == key) {
                return Err(format!("its header has two entries {key}"));
            }
            entries.push((key, self.value(depth)?));
            if !self.take(b',') && self.peek() != Some(b'}') {
                return Err(self.wrong("a comma or the end of a dictionary"));
            }
        }
        Ok(Value::Dictionary(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_numpy_writes() {
        let text = "{'descr': [('a.b', '<f4'), (\"it's\", '|V2', (2,)), ('\\xe9\\u20ac', [('x', '>i8')])], \
                    'fortran_order': False, 'shape': (3L, 1), }   \n";
        let Value::Dictionary(entries) = parse(text).unwrap() else { panic!() };
        assert_eq!(entries[1], ("fortran_order".into(), Value::Boolean(false)));
        assert_eq!(entries[2].1, Value::Sequence(vec![Value::Integer(3), Value::Integer(1)]));
        let Value::Sequence(fields) = &entries[0].1 else { panic!() };
        let name = |field: &Value| match field {
            Value::Sequence(field) => field[0].clone(),
            _ => panic!(),
        };
        assert_eq!(fields.iter().map(name).collect::<Vec<_>>(), ["a.b", "it's", "é€"].map(|x| Value::Text(x.into())));
    }

    #[test]
    fn what_is_none() {
        for text in [
            "",
            "(",
            ")",
            "(1",
            "(1 2)",
            "'a",
            "'a\\'",
            "'\\q'",
            "{1: 2}",
            "{'a' 1}",
            "{'a': 1 'b': 2}",
            "None",
            "-1",
            "{'a': 1, 'a': 2}",
            "99999999999999999999",
            "1 1",
            "((((((((((1))))))))))",
            "'\\ud800'",
            "é",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn nesting_and_length() {
        let nested = |depth: usize| format!("{}1{}", "(".repeat(depth), ",)".repeat(depth));
        assert!(parse(&nested(7)).is_ok());
        assert!(parse(&nested(8)).is_err());
        assert!(parse(&"{'a':".repeat(2000)).is_err());
        assert!(parse(&format!("[{}]", "((((1,),),),),".repeat(700))).is_ok());
    }
}
