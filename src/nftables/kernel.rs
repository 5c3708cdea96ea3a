//! Numbers of the nf_tables netlink interface (`linux/netfilter/nf_tables.h`, `nfnetlink.h`).

/// `NFNL_SUBSYS_NFTABLES`, in the upper byte of a message type.
pub const SUBSYSTEM: u16 = 10;
/// `NFNL_MSG_BATCH_BEGIN`.
pub const BATCH_BEGIN: u16 = 0x10;
/// `NFNL_MSG_BATCH_END`.
pub const BATCH_END: u16 = 0x11;
/// `NFNL_BATCH_GENID`.
pub const BATCH_GENID: u16 = 1;

/// Flags of `struct nlmsghdr` (`linux/netlink.h`).
pub mod flag {
    pub const REQUEST: u16 = 1;
    pub const ECHO: u16 = 8;
    pub const DUMP: u16 = 0x300;
    pub const CREATE: u16 = 0x400;
    pub const APPEND: u16 = 0x800;
}

/// `enum nf_tables_msg_types`.
pub mod message {
    pub const NEWTABLE: u16 = 0;
    pub const GETTABLE: u16 = 1;
    pub const DELTABLE: u16 = 2;
    pub const NEWCHAIN: u16 = 3;
    pub const GETCHAIN: u16 = 4;
    pub const DELCHAIN: u16 = 5;
    pub const NEWRULE: u16 = 6;
    pub const GETRULE: u16 = 7;
    pub const DELRULE: u16 = 8;
    pub const NEWSET: u16 = 9;
    pub const GETSET: u16 = 10;
    pub const DELSET: u16 = 11;
    pub const NEWSETELEM: u16 = 12;
    pub const GETSETELEM: u16 = 13;
    pub const DELSETELEM: u16 = 14;
    pub const GETGEN: u16 = 16;
    pub const TRACE: u16 = 17;
    pub const NEWOBJ: u16 = 18;
    pub const GETOBJ: u16 = 19;
    pub const DELOBJ: u16 = 20;
    pub const NEWFLOWTABLE: u16 = 22;
    pub const GETFLOWTABLE: u16 = 23;
    pub const DELFLOWTABLE: u16 = 24;
}

/// `NFTA_GEN_ID`.
pub const GEN_ID: u16 = 1;
/// `NFTA_LIST_ELEM`.
pub const LIST_ELEM: u16 = 1;

/// `NFTA_TABLE_*`.
pub mod table {
    pub const NAME: u16 = 1;
    pub const FLAGS: u16 = 2;
    pub const USE: u16 = 3;
    pub const HANDLE: u16 = 4;
    pub const PAD: u16 = 5;
    pub const OWNER: u16 = 7;
    /// `NFT_TABLE_F_OWNER`.
    pub const F_OWNER: u32 = 2;
}

/// `NFTA_CHAIN_*`, `NFTA_HOOK_*`, `NFTA_DEVICE_*` and `NFT_CHAIN_*`.
pub mod chain {
    pub const TABLE: u16 = 1;
    pub const HANDLE: u16 = 2;
    pub const NAME: u16 = 3;
    pub const HOOK: u16 = 4;
    pub const POLICY: u16 = 5;
    pub const USE: u16 = 6;
    pub const TYPE: u16 = 7;
    pub const COUNTERS: u16 = 8;
    pub const PAD: u16 = 9;
    pub const FLAGS: u16 = 10;
    pub const ID: u16 = 11;
    pub const HOOK_NUMBER: u16 = 1;
    pub const HOOK_PRIORITY: u16 = 2;
    pub const HOOK_DEV: u16 = 3;
    pub const HOOK_DEVS: u16 = 4;
    pub const DEVICE_NAME: u16 = 1;
    /// `NFT_CHAIN_BINDING`.
    pub const BINDING: u32 = 4;
    /// `NF_DROP`.
    pub const DROP: u32 = 0;
    /// `NF_ACCEPT`.
    pub const ACCEPT: u32 = 1;
}

/// `NFTA_RULE_*` and `NFTA_RULE_COMPAT_*`.
pub mod rule {
    pub const TABLE: u16 = 1;
    pub const CHAIN: u16 = 2;
    pub const HANDLE: u16 = 3;
    pub const EXPRESSIONS: u16 = 4;
    pub const COMPAT: u16 = 5;
    pub const POSITION: u16 = 6;
    pub const USERDATA: u16 = 7;
    pub const PAD: u16 = 8;
    pub const CHAIN_ID: u16 = 11;
    pub const COMPAT_PROTO: u16 = 1;
    pub const COMPAT_FLAGS: u16 = 2;
}

/// `NFTA_SET_*`, `NFTA_SET_DESC_*` and `NFT_SET_*`.
pub mod set {
    pub const TABLE: u16 = 1;
    pub const NAME: u16 = 2;
    pub const FLAGS: u16 = 3;
    pub const DESC: u16 = 9;
    pub const ID: u16 = 10;
    pub const PAD: u16 = 14;
    pub const HANDLE: u16 = 16;
    pub const EXPR: u16 = 17;
    pub const EXPRESSIONS: u16 = 18;
    pub const TYPE: u16 = 19;
    pub const COUNT: u16 = 20;
    pub const DESC_SIZE: u16 = 1;
    pub const ANONYMOUS: u32 = 0x1;
    pub const INTERVAL: u32 = 0x4;
    pub const TIMEOUT: u32 = 0x10;
    pub const EVAL: u32 = 0x20;
    pub const CONCAT: u32 = 0x80;
}

/// `NFTA_SET_ELEM_LIST_*` and `NFTA_SET_ELEM_*`.
pub mod element {
    pub const LIST_TABLE: u16 = 1;
    pub const LIST_SET: u16 = 2;
    pub const LIST_ELEMENTS: u16 = 3;
    pub const LIST_SET_ID: u16 = 4;
    pub const KEY: u16 = 1;
    pub const DATA: u16 = 2;
    pub const FLAGS: u16 = 3;
    pub const EXPIRATION: u16 = 5;
    pub const EXPR: u16 = 7;
    pub const PAD: u16 = 8;
    pub const OBJREF: u16 = 9;
    pub const KEY_END: u16 = 10;
    pub const EXPRESSIONS: u16 = 11;
    /// `NFT_SET_ELEM_INTERVAL_END`.
    pub const INTERVAL_END: u32 = 1;
}

/// `NFTA_OBJ_*` and `NFT_OBJECT_*`.
pub mod object {
    pub const TABLE: u16 = 1;
    pub const NAME: u16 = 2;
    pub const TYPE: u16 = 3;
    pub const DATA: u16 = 4;
    pub const USE: u16 = 5;
    pub const HANDLE: u16 = 6;
    pub const PAD: u16 = 7;
    pub const COUNTER: u32 = 1;
    pub const QUOTA: u32 = 2;
}

/// `NFTA_FLOWTABLE_*` and `NFTA_FLOWTABLE_HOOK_*`.
pub mod flowtable {
    pub const TABLE: u16 = 1;
    pub const NAME: u16 = 2;
    pub const HOOK: u16 = 3;
    pub const USE: u16 = 4;
    pub const HANDLE: u16 = 5;
    pub const PAD: u16 = 6;
    pub const HOOK_DEVS: u16 = 3;
}

/// `NFTA_EXPR_*` and the attributes of single expressions.
pub mod expression {
    pub const NAME: u16 = 1;
    pub const DATA: u16 = 2;
    pub const LOOKUP_SET: u16 = 1;
    pub const LOOKUP_DREG: u16 = 3;
    pub const LOOKUP_SET_ID: u16 = 4;
    pub const OBJREF_IMM_NAME: u16 = 2;
    pub const OBJREF_SET_NAME: u16 = 4;
    pub const OBJREF_SET_ID: u16 = 5;
    pub const DYNSET_SET_NAME: u16 = 1;
    pub const DYNSET_SET_ID: u16 = 2;
    pub const DYNSET_TIMEOUT: u16 = 6;
    pub const DYNSET_EXPR: u16 = 7;
    pub const DYNSET_PAD: u16 = 8;
    pub const DYNSET_FLAGS: u16 = 9;
    pub const DYNSET_EXPRESSIONS: u16 = 10;
    /// `NFT_DYNSET_F_EXPR`.
    pub const DYNSET_F_EXPR: u32 = 2;
    pub const IMMEDIATE_DREG: u16 = 1;
    pub const IMMEDIATE_DATA: u16 = 2;
    pub const DATA_VALUE: u16 = 1;
    pub const DATA_VERDICT: u16 = 2;
    pub const VERDICT_CODE: u16 = 1;
    pub const VERDICT_CHAIN: u16 = 2;
    pub const VERDICT_CHAIN_ID: u16 = 3;
    pub const COUNTER_BYTES: u16 = 1;
    pub const COUNTER_PACKETS: u16 = 2;
    pub const QUOTA_FLAGS: u16 = 2;
    pub const QUOTA_CONSUMED: u16 = 4;
    /// `NFT_QUOTA_F_DEPLETED`.
    pub const QUOTA_DEPLETED: u32 = 2;
    pub const LAST_SET: u16 = 1;
    pub const FLOW_TABLE_NAME: u16 = 1;
    pub const INNER_EXPR: u16 = 5;
    pub const OSF_FLAGS: u16 = 3;
    pub const EXTHDR_DREG: u16 = 1;
    pub const EXTHDR_OFFSET: u16 = 3;
    pub const EXTHDR_LEN: u16 = 4;
    pub const EXTHDR_FLAGS: u16 = 5;
    pub const EXTHDR_SREG: u16 = 7;
    pub const META_KEY: u16 = 2;
    pub const META_SREG: u16 = 3;
    /// `NFT_META_NFTRACE`.
    pub const META_NFTRACE: u32 = 12;
    /// `NFT_REG_VERDICT`.
    pub const REG_VERDICT: u32 = 0;
    /// `NFT_REG_1`.
    pub const REG_1: u32 = 1;
    /// `NFT_META_PROTOCOL`.
    pub const META_PROTOCOL: u32 = 1;
    /// `NFT_META_L4PROTO`.
    pub const META_L4PROTO: u32 = 16;
    pub const PAYLOAD_BASE: u16 = 2;
    pub const PAYLOAD_OFFSET: u16 = 3;
    pub const PAYLOAD_LEN: u16 = 4;
    pub const CMP_OP: u16 = 2;
    pub const CMP_DATA: u16 = 3;
    /// `NFT_CMP_NEQ`.
    pub const CMP_NEQ: u32 = 1;
    /// `NFTA_MATCH_NAME` and `NFTA_TARGET_NAME`.
    pub const XT_NAME: u16 = 1;
    /// `NFTA_MATCH_REV` and `NFTA_TARGET_REV`.
    pub const XT_REVISION: u16 = 2;
    /// `NFTA_MATCH_INFO` and `NFTA_TARGET_INFO`.
    pub const XT_INFO: u16 = 3;
}

/// `NFTA_TRACE_*` and `NFT_TRACETYPE_*`.
pub mod trace {
    pub const TABLE: u16 = 1;
    pub const CHAIN: u16 = 2;
    pub const RULE_HANDLE: u16 = 3;
    pub const TYPE: u16 = 4;
    pub const VERDICT: u16 = 5;
    pub const ID: u16 = 6;
    pub const LINK_HEADER: u16 = 7;
    pub const NETWORK_HEADER: u16 = 8;
    pub const TRANSPORT_HEADER: u16 = 9;
    pub const NFPROTO: u16 = 15;
    pub const POLICY: u16 = 16;
    pub const TYPE_POLICY: u32 = 1;
    pub const TYPE_RULE: u32 = 3;
}
