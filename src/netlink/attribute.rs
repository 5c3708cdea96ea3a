//! Attributes: length, type, payload, each padded to four bytes.

/// `NLA_F_NESTED`.
pub const NESTED: u16 = 0x8000;
/// What is left of a type without `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`.
pub const TYPE_MASK: u16 = 0x3fff;

/// One attribute, borrowed from the message it came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// The type as it stands in the message, flag bits included.
    pub raw_kind: u16,
    /// What it holds, without padding.
    pub payload: &'a [u8],
}

impl<'a> Attribute<'a> {
    /// The type without flag bits.
    #[must_use]
    pub const fn kind(&self) -> u16 {
        self.raw_kind & TYPE_MASK
    }

    /// The attributes nested in this one.
    #[must_use]
    pub const fn nested(&self) -> Attributes<'a> {
        Attributes { rest: self.payload }
    }

    /// A string, up to its terminating NUL.
    #[must_use]
    pub fn text(&self) -> String {
        let end = self.payload.iter().position(|byte| *byte == 0);
        String::from_utf8_lossy(&self.payload[..end.unwrap_or(self.payload.len())]).into_owned()
    }

    /// A 32-bit number in network byte order, as nf_tables writes them.
    #[must_use]
    pub fn be32(&self) -> Option<u32> {
        Some(u32::from_be_bytes(self.payload.get(..4)?.try_into().ok()?))
    }

    /// A 64-bit number in network byte order.
    #[must_use]
    pub fn be64(&self) -> Option<u64> {
        Some(u64::from_be_bytes(self.payload.get(..8)?.try_into().ok()?))
    }

    /// A 32-bit number in the machine's byte order, as rtnetlink writes them.
    #[must_use]
    pub fn ne32(&self) -> Option<u32> {
        Some(u32::from_ne_bytes(self.payload.get(..4)?.try_into().ok()?))
    }
}

/// Walks over attributes; stops at the first that is damaged.
#[derive(Debug, Clone, Copy)]
pub struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Attributes<'a> {
    /// The attributes in `bytes`, which start at a header.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        let header: [u8; 4] = self.rest.get(..4)?.try_into().ok()?;
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let payload = self.rest.get(4..length)?;
        let raw_kind = u16::from_ne_bytes([header[2], header[3]]);
        self.rest = self.rest.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some(Attribute { raw_kind, payload })
    }
}

/// The first attribute of type `kind` in `bytes`.
#[must_use]
pub fn find(bytes: &[u8], kind: u16) -> Option<Attribute<'_>> {
    Attributes::new(bytes).find(|attribute| attribute.kind() == kind)
}
