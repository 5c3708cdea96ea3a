//! Files that are valid and hard to read; `@@` stands for the line.

pub const IPTABLES: &str = r#"# by hand
*raw
:PREROUTING ACCEPT [0:0]
-A PREROUTING -m comment --comment @@ -j ACCEPT
COMMIT
*filter
:INPUT DROP [1:2]
:OUTPUT ACCEPT
:USER - [0:0]
[5:6] -A INPUT -s 1.2.3.4,5.6.7.8 -d 9.9.9.9,10/8,10.1.0.0/255.255.0.0 -m comment --comment @@ -j ACCEPT
--append INPUT --protocol tcp --dport=22 -m comment --comment @@ --jump DROP
   -A   INPUT	-m comment --comment "@@ -A INPUT -s 1.1.1.1,2.2.2.2" -j USER
-AUSER -m comment --comment @@ -j RETURN

-I INPUT -s 1.2.3.4,5.6.7.8 -m comment --comment @@ -j ACCEPT
-I INPUT 3 -m comment --comment @@ -j DROP
# -A INPUT -j DROP
-A INPUT -6 -m comment --comment @@ -j DROP
-A INPUT -m comment --comment @@
-A INPUT -m comment --comment @@ -j ACCEPT
-A USER -p udp --dport 1 -m comment --comment gone -j DROP
-D USER -p 17 -m udp --destination-port 1 -m comment --comment gone -j DROP
-A USER -m comment --comment @@ -j ACCEPT
-D USER 1
-N OTHER
-A OTHER -m comment --comment gone
-F OTHER
-A OTHER -m comment --comment @@
-A USER -m comment --comment @@ -s 127.0.0.1 ! -d 1.2.3.4
-P OUTPUT DROP
COMMIT
*nat
:OUTPUT ACCEPT
-A OUTPUT -m comment --comment @@ -s 1.2.3.4
COMMIT
"#;

pub const NFT: &str = r#"#!/usr/sbin/nft -f
flush ruleset
define SSH = 22
define hosts = { 10.0.0.1,
  10.0.0.2 }
define pol="drop"
table inet filter { # a brace } in a comment
	set blocked {
		type ipv4_addr; flags interval
		elements = { 192.0.2.0/24,
			203.0.113.0/24 }
	}
	counter hits { packets 0 bytes 0; }
	chain other { tcp dport 1 accept comment "@@"; tcp dport 2 accept comment "@@ } ; #"; }; chain input {
		type filter hook input priority 0
		policy $pol
		ip saddr @blocked drop comment "@@" # trailing
		tcp dport { 1,
			2, # two
			# three
			3 } accept comment "L18"
		ip saddr $hosts \
			tcp dport $SSH \
			# between
			accept comment "L22"
		tcp dport 9 jump {
			ip saddr 1.2.3.4 accept
			drop; }
		ct state vmap { established : accept, related : accept,
			invalid : drop } comment "L29"
		log prefix "a; b } {" \
			comment "L31"
		meta mark 1 comment "two lines,
 L33"
	}
}
add rule inet filter input tcp dport 4 accept comment "@@"; add rule inet filter other drop comment "@@"
insert rule inet filter input tcp dport { 5,
  6 } accept comment "L38"
add inet filter other tcp dport 10 accept comment "@@"
inet filter other tcp dport 11 accept comment "@@"
table filter
add table gone; add chain gone c; add rule gone c accept comment "gone"
delete table gone
add table gone; add chain gone c { type filter hook input priority 0; policy accept; }
add rule gone c accept comment "@@"
chain ip filter output { type filter hook output priority raw; policy accept; tcp dport 12 accept comment "@@"
  tcp dport 13 accept comment "@@"; }
add chain filter c; add rule filter c accept comment "gone"; flush chain filter c
add rule filter c drop comment "@@"
table ip filter { chain output { comment "a chain"; tcp dport 14 drop comment "@@"; }; }
add set inet filter more { type inet_service; elements = { 1, 2 }; }
add element inet filter more { 3 }
"#;
