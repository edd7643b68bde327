//! MessagePack: written in the old form memberlist's codec writes, where text and bytes are both "raw"; read in the
//! old and the new form.

/// Why bytes are no MessagePack, or not what was asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Malformed {
    /// The bytes end too early.
    #[error("it ends at least {missing} bytes early")]
    Truncated {
        /// How many bytes are missing at least.
        missing: usize,
    },
    /// Something of another type.
    #[error("there is something else where {expected} should be")]
    Unexpected {
        /// What should stand there.
        expected: &'static str,
    },
    /// A byte that begins nothing.
    #[error("the byte 0xc1 begins nothing")]
    Reserved,
}

/// The next thing in some bytes; of a list or a map only how much is in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Token<'a> {
    /// Nothing.
    Nil,
    /// A switch.
    Boolean(bool),
    /// A number from zero.
    Unsigned(u64),
    /// A number below zero.
    Negative(i64),
    /// A number of floating point.
    Float(f64),
    /// Text or bytes: the old form does not tell them apart.
    Raw(&'a [u8]),
    /// A list of so many things, which follow.
    Array(u32),
    /// So many pairs, which follow.
    Map(u32),
    /// An extension's type and bytes.
    Extension(u8, &'a [u8]),
}

/// Reads from the start of some bytes. Never panics, allocates nothing, and its work is bounded by their number.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads these bytes.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What was not read yet.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next so many bytes, whatever they are.
    ///
    /// # Errors
    /// When there are not so many.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let missing = count.saturating_sub(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Malformed::Truncated { missing })?;
        self.rest = rest;
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let missing = N.saturating_sub(self.rest.len());
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Malformed::Truncated { missing })?;
        self.rest = rest;
        Ok(*taken)
    }

    fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(u8::from_be_bytes(self.fixed()?))
    }

    fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_be_bytes(self.fixed()?))
    }

    fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_be_bytes(self.fixed()?))
    }

    fn raw(&mut self, length: u32) -> Result<Token<'a>, Malformed> {
        self.take(usize::try_from(length).unwrap_or(usize::MAX)).map(Token::Raw)
    }

    fn extension(&mut self, length: u32) -> Result<Token<'a>, Malformed> {
        let class = self.u8()?;
        Ok(Token::Extension(class, self.take(usize::try_from(length).unwrap_or(usize::MAX))?))
    }

    /// The next thing. What fails leaves the reader somewhere in it.
    ///
    /// # Errors
    /// When there is none, or not all of it.
    pub fn next_token(&mut self) -> Result<Token<'a>, Malformed> {
        let marker = self.u8()?;
        match marker {
            0x00..=0x7f => Ok(Token::Unsigned(marker.into())),
            0x80..=0x8f => Ok(Token::Map(u32::from(marker & 0x0f))),
            0x90..=0x9f => Ok(Token::Array(u32::from(marker & 0x0f))),
            0xa0..=0xbf => self.raw(u32::from(marker & 0x1f)),
            0xc0 => Ok(Token::Nil),
            0xc1 => Err(Malformed::Reserved),
            0xc2 | 0xc3 => Ok(Token::Boolean(marker == 0xc3)),
            0xca..=0xd3 => self.number(marker),
            0xe0..=0xff => Ok(Token::Negative(i64::from(marker.cast_signed()))),
            _ => self.of_stated_length(marker),
        }
    }

    fn number(&mut self, marker: u8) -> Result<Token<'a>, Malformed> {
        Ok(match marker {
            0xca => Token::Float(f32::from_be_bytes(self.fixed()?).into()),
            0xcb => Token::Float(f64::from_be_bytes(self.fixed()?)),
            0xcc => Token::Unsigned(self.u8()?.into()),
            0xcd => Token::Unsigned(self.u16()?.into()),
            0xce => Token::Unsigned(self.u32()?.into()),
            0xcf => Token::Unsigned(u64::from_be_bytes(self.fixed()?)),
            0xd0 => signed(i8::from_be_bytes(self.fixed()?).into()),
            0xd1 => signed(i16::from_be_bytes(self.fixed()?).into()),
            0xd2 => signed(i32::from_be_bytes(self.fixed()?).into()),
            _ => signed(i64::from_be_bytes(self.fixed()?)),
        })
    }

    fn of_stated_length(&mut self, marker: u8) -> Result<Token<'a>, Malformed> {
        match marker {
            0xc4 | 0xd9 => self.u8().and_then(|length| self.raw(length.into())),
            0xc5 | 0xda => self.u16().and_then(|length| self.raw(length.into())),
            0xc6 | 0xdb => self.u32().and_then(|length| self.raw(length)),
            0xc7 => self.u8().and_then(|length| self.extension(length.into())),
            0xc8 => self.u16().and_then(|length| self.extension(length.into())),
            0xc9 => self.u32().and_then(|length| self.extension(length)),
            0xd4..=0xd8 => self.extension(1 << (marker - 0xd4)),
            0xdc => self.u16().map(|count| Token::Array(count.into())),
            0xdd => self.u32().map(Token::Array),
            0xde => self.u16().map(|count| Token::Map(count.into())),
            _ => self.u32().map(Token::Map),
        }
    }

    /// Passes over one thing and all that is in it, however deep.
    ///
    /// # Errors
    /// When it is not all there.
    pub fn skip(&mut self) -> Result<(), Malformed> {
        let mut due = 1_u64;
        while due > 0 {
            // Each thing takes a byte at least.
            self.expect_bytes(due)?;
            due -= 1;
            due = due.saturating_add(match self.next_token()? {
                Token::Array(count) => count.into(),
                Token::Map(count) => 2 * u64::from(count),
                _ => 0,
            });
        }
        Ok(())
    }

    fn expect_bytes(&self, count: u64) -> Result<(), Malformed> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        match count.saturating_sub(self.rest.len()) {
            0 => Ok(()),
            missing => Err(Malformed::Truncated { missing }),
        }
    }

    /// The number of pairs of a map, which follow. Nil is an empty one, here as in what follows.
    ///
    /// # Errors
    /// When it is none, or cannot be all there.
    pub fn map(&mut self) -> Result<u32, Malformed> {
        let count = match self.next_token()? {
            Token::Nil => 0,
            Token::Map(count) => count,
            _ => return Err(Malformed::Unexpected { expected: "a map" }),
        };
        self.expect_bytes(2 * u64::from(count))?;
        Ok(count)
    }

    /// Text or bytes.
    ///
    /// # Errors
    /// When it is neither, or not all there.
    pub fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        match self.next_token()? {
            Token::Nil => Ok(&[]),
            Token::Raw(bytes) => Ok(bytes),
            _ => Err(Malformed::Unexpected { expected: "text or bytes" }),
        }
    }

    /// A number that fits into the type asked for.
    ///
    /// # Errors
    /// When it is none, or does not fit.
    pub fn number_of<T: TryFrom<u64> + TryFrom<i64>>(&mut self) -> Result<T, Malformed> {
        let number = match self.next_token()? {
            Token::Nil => T::try_from(0_u64).ok(),
            Token::Unsigned(number) => T::try_from(number).ok(),
            Token::Negative(number) => T::try_from(number).ok(),
            _ => None,
        };
        number.ok_or(Malformed::Unexpected { expected: "a number of this size" })
    }

    /// A switch.
    ///
    /// # Errors
    /// When it is none.
    pub fn boolean(&mut self) -> Result<bool, Malformed> {
        match self.next_token()? {
            Token::Nil => Ok(false),
            Token::Boolean(switch) => Ok(switch),
            _ => Err(Malformed::Unexpected { expected: "true or false" }),
        }
    }
}

fn signed<'a>(number: i64) -> Token<'a> {
    u64::try_from(number).map_or(Token::Negative(number), Token::Unsigned)
}

/// Appends to some bytes.
#[derive(Debug)]
pub struct Writer<'a>(pub &'a mut Vec<u8>);

impl Writer<'_> {
    /// A map of so many pairs, which are to follow; at most 15.
    pub fn map(&mut self, pairs: u8) {
        self.0.push(0x80 | pairs.min(15));
    }

    /// Text or bytes, at most 4 GiB of them.
    pub fn bytes(&mut self, bytes: &[u8]) {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        match length {
            0..=31 => self.0.push(0xa0 | length.to_be_bytes()[3]),
            32..=0xffff => self.marked(0xda, &length.to_be_bytes()[2..]),
            _ => self.marked(0xdb, &length.to_be_bytes()),
        }
        self.0.extend_from_slice(bytes.get(..bytes.len().min(length as usize)).unwrap_or_default());
    }

    /// Bytes, or nil if there are none, as Go writes a slice nobody made.
    pub fn bytes_or_nil(&mut self, bytes: &[u8]) {
        if bytes.is_empty() { self.0.push(0xc0) } else { self.bytes(bytes) }
    }

    /// A number, as Go writes its unsigned types.
    pub fn unsigned(&mut self, number: u64) {
        let [.., a, b, c, d] = number.to_be_bytes();
        match number {
            0..=0x7f => self.0.push(d),
            0x80..=0xff => self.marked(0xcc, &[d]),
            0x100..=0xffff => self.marked(0xcd, &[c, d]),
            0x1_0000..=0xffff_ffff => self.marked(0xce, &[a, b, c, d]),
            _ => self.marked(0xcf, &number.to_be_bytes()),
        }
    }

    /// A number, as Go writes its signed types when they are not negative.
    pub fn signed(&mut self, number: u32) {
        let [a, b, c, d] = number.to_be_bytes();
        match number {
            0..=0x7f => self.0.push(d),
            0x80..=0x7fff => self.marked(0xd1, &[c, d]),
            0x8000..=0x7fff_ffff => self.marked(0xd2, &[a, b, c, d]),
            _ => self.marked(0xd3, &u64::from(number).to_be_bytes()),
        }
    }

    /// A switch.
    pub fn boolean(&mut self, switch: bool) {
        self.0.push(if switch { 0xc3 } else { 0xc2 });
    }

    fn marked(&mut self, marker: u8, bytes: &[u8]) {
        self.0.push(marker);
        self.0.extend_from_slice(bytes);
    }
}
