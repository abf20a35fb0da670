//! The words of RTF (Rich Text Format 1.9.1, "RTF Syntax"): groups, control words and symbols, hex bytes, binary data, text.
//! It refuses to believe the length of binary data beyond the end of the file.

/// Letters of the longest control word that is looked at.
const LONGEST: usize = 32;
/// Digits of a parameter.
const DIGITS: usize = 10;

/// One token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Open,
    Close,
    /// A control word and its number.
    Word(&'a str, Option<i32>),
    /// A control symbol such as `\~`.
    Symbol(u8),
    /// `\'8e`.
    Hex(u8),
    /// What `\bin` announces.
    Binary(&'a [u8]),
    /// Bytes of text.
    Text(&'a [u8]),
}

/// Goes through a file once.
pub(super) struct Tokens<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        // Line ends between tokens mean nothing.
        let blank = self.rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let (_, rest) = self.rest.split_at(blank);
        let (first, behind) = rest.split_first()?;
        self.rest = behind;
        Some(match first {
            b'{' => Token::Open,
            b'}' => Token::Close,
            b'\\' => self.control(),
            _ => {
                let length = rest
                    .iter()
                    .position(|byte| matches!(byte, b'{' | b'}' | b'\\' | b'\r' | b'\n'))
                    .unwrap_or(rest.len());
                let (text, behind) = rest.split_at(length);
                self.rest = behind;
                Token::Text(text)
            }
        })
    }
}

impl<'a> Tokens<'a> {
    /// What stands behind a backslash.
    fn control(&mut self) -> Token<'a> {
        let rest = self.rest;
        let letters = rest.iter().take(LONGEST).take_while(|byte| byte.is_ascii_alphabetic()).count();
        if letters == 0 {
            let Some((symbol, behind)) = rest.split_first() else { return Token::Text(b"") };
            self.rest = behind;
            if *symbol == b'\'' {
                let hex = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
                if let (Some(high), Some(low)) = (hex(behind.first()), hex(behind.get(1))) {
                    self.rest = &behind[2..];
                    return Token::Hex(u8::try_from(high << 4 | low).unwrap_or_default());
                }
            }
            return Token::Symbol(*symbol);
        }
        let (name, behind) = rest.split_at(letters);
        let name = std::str::from_utf8(name).unwrap_or_default();
        let negative = behind.first() == Some(&b'-');
        let number = &behind[usize::from(negative)..];
        let digits = number.iter().take(DIGITS).take_while(|byte| byte.is_ascii_digit()).count();
        let mut parameter = None;
        let mut after = behind;
        if digits > 0 {
            let value: i64 = number[..digits].iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
            let value = if negative { -value } else { value };
            parameter = Some(i32::try_from(value).unwrap_or(if negative { i32::MIN } else { i32::MAX }));
            after = &number[digits..];
        }
        // One blank belongs to the word.
        self.rest = after.strip_prefix(b" ").unwrap_or(after);
        if name == "bin" {
            let length = usize::try_from(parameter.unwrap_or(0)).unwrap_or(0).min(self.rest.len());
            let (data, behind) = self.rest.split_at(length);
            self.rest = behind;
            return Token::Binary(data);
        }
        Token::Word(name, parameter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_symbols_and_data_are_told_apart() {
        let tokens: Vec<Token<'_>> =
            Tokens { rest: b"{\\rtf1\\u-10 \r\nab\\~\\'8e\\'zz\\bin3 {}{}\\bin99999999999 x" }.collect();
        assert_eq!(
            tokens,
            [
                Token::Open,
                Token::Word("rtf", Some(1)),
                Token::Word("u", Some(-10)),
                Token::Text(b"ab"),
                Token::Symbol(b'~'),
                Token::Hex(0x8E),
                Token::Symbol(b'\''),
                Token::Text(b"zz"),
                Token::Binary(b"{}{"),
                Token::Close,
                // Eleven digits are no number of RTF; the eleventh is data.
                Token::Binary(b"9 x"),
            ]
        );
    }
}
