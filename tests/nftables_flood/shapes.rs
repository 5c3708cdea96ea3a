//! The rulesets between which is switched; all drop the flood, each in another way.

use std::fmt::Write;

use safe_apply::nftables::Level;

/// A table with a chain on input.
pub struct Shape {
    table: &'static str,
    priority: i32,
    policy: &'static str,
    /// The last rule; the flood is what it drops.
    last: &'static str,
    /// Tells one ruleset's rules from the other's.
    network: u8,
    /// The last rule of an earlier chain that is as long.
    earlier: Option<&'static str>,
}

/// The flood reaches the end of the chain.
pub const POLICY_DROP: Shape = Shape {
    table: "ip filter",
    priority: 0,
    policy: "drop",
    last: "",
    network: 10,
    earlier: None,
};
/// The flood reaches a rule.
pub const RULE_DROP: Shape = Shape {
    policy: "accept",
    last: "udp dport != 0 drop",
    ..POLICY_DROP
};

impl Shape {
    /// The same with rules of its own.
    pub fn with_network(self, network: u8) -> Self {
        Self { network, ..self }
    }

    /// An nft script of it, with so many rules that let others pass.
    pub fn script(&self, rules: usize) -> String {
        let Self {
            table,
            priority,
            policy,
            last,
            network,
            earlier,
        } = self;
        let mut list = String::new();
        for number in 0..rules {
            let (high, low) = (number / 256, number % 256);
            writeln!(list, "ip saddr {network}.0.{high}.{low} counter accept").unwrap();
        }
        let mut script = format!("table {table} {{\n");
        if let Some(earlier) = earlier {
            write!(
                script,
                "chain EARLIER {{\ntype filter hook prerouting priority 0\n{list}{earlier}\n}}\n"
            )
            .unwrap();
        }
        write!(
            script,
            "chain INPUT {{\ntype filter hook input priority {priority}; policy {policy};\n\
             {list}{last}\n}}\n}}\n"
        )
        .unwrap();
        script
    }
}

/// Every pair: a name, two rulesets, how they are switched.
pub fn pairs() -> Vec<(&'static str, Shape, Shape, Level)> {
    let fine = Level::Fine;
    let other = Shape {
        network: 11,
        ..POLICY_DROP
    };
    let inet = Shape {
        table: "inet filter",
        ..POLICY_DROP
    };
    let earlier = Shape {
        priority: -10,
        ..POLICY_DROP
    };
    let inet_rule = Shape {
        table: "inet filter",
        ..RULE_DROP
    };
    let earlier_rule = Shape {
        priority: -10,
        ..RULE_DROP
    };
    let at_input = Shape {
        earlier: Some(""),
        ..RULE_DROP
    };
    let at_prerouting = Shape {
        last: "",
        earlier: Some("udp dport != 0 drop"),
        ..RULE_DROP
    };
    vec![
        ("policy drop, other rules", POLICY_DROP, other, fine),
        ("rule drop to policy drop", RULE_DROP, POLICY_DROP, fine),
        (
            "drop moves to an earlier chain",
            at_input,
            at_prerouting,
            fine,
        ),
        ("ip to inet, policy drop", POLICY_DROP, inet, fine),
        ("ip to inet, rule drop", RULE_DROP, inet_rule, fine),
        ("priority, policy drop", POLICY_DROP, earlier, fine),
        ("priority, rule drop", RULE_DROP, earlier_rule, fine),
        ("rules made anew", POLICY_DROP, POLICY_DROP, Level::InPlace),
        (
            "recreated, policy drop",
            POLICY_DROP,
            POLICY_DROP,
            Level::Recreate,
        ),
        (
            "recreated, rule drop",
            RULE_DROP,
            POLICY_DROP,
            Level::Recreate,
        ),
    ]
}
