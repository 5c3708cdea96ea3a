//! A server and a client that are joined by a wire; whoever connects to the server is echoed.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, bind, socket};
use safe_apply::netns::NetNs;

use crate::kernel::tool;

pub const SERVER_V4: &str = "198.51.100.2";
pub const SERVER_V6: &str = "2001:db8::2";
pub const USER_V4: &str = "198.51.100.7";
pub const USER_V6: &str = "2001:db8::7";
pub const STRANGER_V4: &str = "198.51.100.8";
pub const PORT: u16 = 22;
/// How long something that is dropped is waited for.
pub const BLOCKED: Duration = Duration::from_millis(250);
/// How long something that should get through is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

pub struct Lab {
    pub server: NetNs,
    client: NetNs,
}

fn run(line: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    tool(&words, "").unwrap();
}

impl Lab {
    pub fn new() -> Self {
        let lab = Self {
            server: NetNs::scratch().unwrap(),
            client: NetNs::scratch().unwrap(),
        };
        // Waits for the end of its standard input: it ends with the test.
        let mut hold = Command::new("cat");
        let hold = hold.stdin(Stdio::piped());
        let mut holder = lab.client.enter(|| hold.spawn().unwrap()).unwrap();
        let peer = holder.id();
        let listeners = lab.server.enter(|| {
            run(&format!(
                "ip link add v0 type veth peer name v1 netns {peer}"
            ));
            run(&format!("ip addr add {SERVER_V4}/24 dev v0"));
            run(&format!("ip addr add {SERVER_V6}/64 dev v0 nodad"));
            run("ip link set v0 up");
            [SERVER_V4, SERVER_V6].map(|ip| {
                let ip: IpAddr = ip.parse().unwrap();
                TcpListener::bind(SocketAddr::new(ip, PORT)).unwrap()
            })
        });
        let done = lab.client.enter(|| {
            run(&format!("ip addr add {USER_V4}/24 dev v1"));
            run(&format!("ip addr add {STRANGER_V4}/24 dev v1"));
            run(&format!("ip addr add {USER_V6}/64 dev v1 nodad"));
            run("ip link set v1 up");
        });
        done.unwrap();
        holder.kill().unwrap();
        holder.wait().unwrap();
        for listener in listeners.unwrap() {
            std::thread::spawn(move || serve(&listener));
        }
        lab
    }

    /// A connection from `user` over which a byte came back.
    pub fn connect(&self, user: &str) -> Option<TcpStream> {
        match self.dial(user, PATIENCE) {
            Ok(stream) => Some(stream),
            Err(error) => {
                println!("{user}: {error}");
                None
            }
        }
    }

    /// Whether a connection from `user` gets nowhere.
    pub fn is_blocked(&self, user: &str) -> bool {
        self.dial(user, BLOCKED).is_err()
    }

    fn dial(&self, user: &str, wait: Duration) -> io::Result<TcpStream> {
        let user: IpAddr = user.parse().unwrap();
        let (family, server) = match user {
            IpAddr::V4(_) => (AddressFamily::INET, SERVER_V4),
            IpAddr::V6(_) => (AddressFamily::INET6, SERVER_V6),
        };
        let server = SocketAddr::new(server.parse().unwrap(), PORT);
        let fd = self
            .client
            .enter(|| socket(family, SocketType::STREAM, None).unwrap())
            .unwrap();
        bind(&fd, &SocketAddr::new(user, 0)).unwrap();
        let stream = TcpStream::from(fd);
        // It bounds connect(2) too (socket(7)).
        stream.set_write_timeout(Some(wait)).unwrap();
        stream.set_read_timeout(Some(wait)).unwrap();
        rustix::net::connect(&stream, &server)?;
        echo(&stream)?;
        Ok(stream)
    }
}

/// Sends a byte and waits for it to come back.
pub fn echo(mut stream: &TcpStream) -> io::Result<()> {
    let mut byte = [0];
    stream.write_all(b"x")?;
    stream.read_exact(&mut byte)
}

fn serve(listener: &TcpListener) {
    for mut stream in listener.incoming().flatten() {
        std::thread::spawn(move || {
            let mut buffer = [0; 16];
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                if stream.write_all(&buffer[..count]).is_err() {
                    return;
                }
            }
        });
    }
}
