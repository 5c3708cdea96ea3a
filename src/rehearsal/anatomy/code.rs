//! nf_tables' expressions.

/// One step of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Something is put into a register.
    Load {
        /// Where to, in bytes from the first data register.
        to: usize,
        /// How much, in bytes; 0: what the thing has.
        length: usize,
        /// What.
        origin: Origin,
    },
    /// `to = (from & mask) ^ xor`.
    Bitwise {
        /// The source register.
        from: usize,
        /// The destination register.
        to: usize,
        /// As long as the value.
        mask: Vec<u8>,
        /// As long as the value.
        xor: Vec<u8>,
    },
    /// Goes on only if the comparison holds.
    Compare {
        /// The register.
        from: usize,
        /// How.
        how: Compare,
        /// With what.
        data: Vec<u8>,
    },
    /// Goes on only if the value is in a range, or not.
    Range {
        /// The register.
        from: usize,
        /// Whether it must not be in it.
        negated: bool,
        /// The first value.
        low: Vec<u8>,
        /// The last value.
        high: Vec<u8>,
    },
    /// Goes on only if the value is in a set, or not.
    Lookup {
        /// The register.
        from: usize,
        /// Its place in [`super::Anatomy::sets`]; `None`: no such set.
        set: Option<usize>,
        /// Whether it must not be in it.
        negated: bool,
        /// Whether the map says the verdict.
        verdict: bool,
        /// Where a map's value goes.
        to: Option<usize>,
    },
    /// An x_tables match.
    Match {
        /// `conntrack`, `recent`, …
        name: String,
        /// Its revision.
        revision: u32,
        /// Its data.
        info: Vec<u8>,
    },
    /// An x_tables target.
    Target {
        /// `LOG`, `MARK`, …
        name: String,
        /// Its data.
        info: Vec<u8>,
    },
    /// Anything else: its name and data.
    Other {
        /// `limit`, `quota`, `connlimit`, …
        name: String,
        /// Content of `NFTA_EXPR_DATA`.
        data: Vec<u8>,
        /// The register that it fills, if it does.
        to: Option<usize>,
        /// What it does to each element (`dynset`).
        inner: Vec<Op>,
    },
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// `NFT_META_*`.
    Meta(u32),
    /// `NFT_CT_*`.
    Ct(u32),
    /// A place in the packet: `NFT_PAYLOAD_*`, offset in bytes.
    Payload(u32, usize),
    /// A constant.
    Constant(Vec<u8>),
}

/// `enum nft_cmp_ops`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    /// `==`
    Equal,
    /// `!=`
    Unequal,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Compare {
    /// By its number.
    #[must_use]
    pub const fn of(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::Equal,
            1 => Self::Unequal,
            2 => Self::Less,
            3 => Self::LessOrEqual,
            4 => Self::Greater,
            5 => Self::GreaterOrEqual,
            _ => return None,
        })
    }
}
