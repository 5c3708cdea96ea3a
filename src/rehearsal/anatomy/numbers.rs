//! Numbers of nf_tables' expressions (`linux/netfilter/nf_tables.h`).

/// `enum nft_meta_keys`.
pub mod meta {
    /// `NFT_META_PROTOCOL`.
    pub const PROTOCOL: u32 = 1;
    /// `NFT_META_MARK`.
    pub const MARK: u32 = 3;
    /// `NFT_META_IIF`.
    pub const IIF: u32 = 4;
    /// `NFT_META_OIF`.
    pub const OIF: u32 = 5;
    /// `NFT_META_IIFNAME`.
    pub const IIFNAME: u32 = 6;
    /// `NFT_META_OIFNAME`.
    pub const OIFNAME: u32 = 7;
    /// `NFT_META_IIFTYPE`.
    pub const IIFTYPE: u32 = 8;
    /// `NFT_META_OIFTYPE`.
    pub const OIFTYPE: u32 = 9;
    /// `NFT_META_SKUID`.
    pub const SKUID: u32 = 10;
    /// `NFT_META_SKGID`.
    pub const SKGID: u32 = 11;
    /// `NFT_META_SECMARK`.
    pub const SECMARK: u32 = 14;
    /// `NFT_META_NFPROTO`.
    pub const NFPROTO: u32 = 15;
    /// `NFT_META_L4PROTO`.
    pub const L4PROTO: u32 = 16;
    /// `NFT_META_BRI_IIFNAME`.
    pub const BRI_IIFNAME: u32 = 17;
    /// `NFT_META_BRI_OIFNAME`.
    pub const BRI_OIFNAME: u32 = 18;
    /// `NFT_META_CPU`.
    pub const CPU: u32 = 20;
    /// `NFT_META_CGROUP`.
    pub const CGROUP: u32 = 23;
    /// `NFT_META_PRANDOM`.
    pub const PRANDOM: u32 = 24;
    /// `NFT_META_SECPATH`.
    pub const SECPATH: u32 = 25;
    /// `NFT_META_IIFKIND`.
    pub const IIFKIND: u32 = 26;
    /// `NFT_META_OIFKIND`.
    pub const OIFKIND: u32 = 27;
    /// `NFT_META_BRI_IIFPVID`.
    pub const BRI_IIFPVID: u32 = 28;
    /// `NFT_META_BRI_IIFVPROTO`.
    pub const BRI_IIFVPROTO: u32 = 29;
    /// `NFT_META_TIME_NS`.
    pub const TIME_NS: u32 = 30;
    /// `NFT_META_TIME_DAY`.
    pub const TIME_DAY: u32 = 31;
    /// `NFT_META_TIME_HOUR`.
    pub const TIME_HOUR: u32 = 32;
    /// `NFT_META_SDIF`.
    pub const SDIF: u32 = 33;
    /// `NFT_META_SDIFNAME`.
    pub const SDIFNAME: u32 = 34;
    /// `NFT_META_LEN`.
    pub const LEN: u32 = 0;
}

/// `enum nft_ct_keys`.
pub mod ct {
    /// `NFT_CT_STATE`.
    pub const STATE: u32 = 0;
    /// `NFT_CT_MARK`.
    pub const MARK: u32 = 3;
    /// `NFT_CT_SECMARK`.
    pub const SECMARK: u32 = 4;
    /// `NFT_CT_EXPIRATION`.
    pub const EXPIRATION: u32 = 5;
    /// `NFT_CT_HELPER`.
    pub const HELPER: u32 = 6;
    /// `NFT_CT_LABELS`.
    pub const LABELS: u32 = 13;
    /// `NFT_CT_PKTS`.
    pub const PKTS: u32 = 14;
    /// `NFT_CT_BYTES`.
    pub const BYTES: u32 = 15;
    /// `NFT_CT_AVGPKT`.
    pub const AVGPKT: u32 = 16;
}

/// Bits of `ct state` (`NF_CT_STATE_BIT`, `linux/netfilter/nf_conntrack_common.h`).
pub mod state {
    /// `invalid`.
    pub const INVALID: u32 = 1;
    /// `established`.
    pub const ESTABLISHED: u32 = 2;
    /// `related`.
    pub const RELATED: u32 = 4;
    /// `new`.
    pub const NEW: u32 = 8;
    /// `untracked`.
    pub const UNTRACKED: u32 = 64;
}

/// `enum nft_payload_bases`.
pub mod payload_base {
    /// `NFT_PAYLOAD_LL_HEADER`.
    pub const LINK: u32 = 0;
    /// `NFT_PAYLOAD_NETWORK_HEADER`.
    pub const NETWORK: u32 = 1;
    /// `NFT_PAYLOAD_TRANSPORT_HEADER`.
    pub const TRANSPORT: u32 = 2;
    /// `NFT_PAYLOAD_INNER_HEADER`.
    pub const INNER: u32 = 3;
}
