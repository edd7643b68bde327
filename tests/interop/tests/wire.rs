//! memberlist understands what our wire writes, compressed and encrypted or not, and our wire what it answers.

use std::io::{Read, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use metallb_interop::{Peer, PeerOptions};
use metallb_membership::wire::message::{
    Alive, Message, PeerState, Ping, PushPull, State, StreamMessage, Versions,
};
use metallb_membership::wire::packet::{self, Sealing};
use metallb_membership::wire::stream;
use metallb_membership::{Keyring, Settings};

const REACTION: Duration = Duration::from_secs(10);
const SECRET: &[u8] = b"6Xk0J1mTtZ0rWq9yB3sVfA";

/// A member of the library and how we talk to it.
struct Pair {
    peer: Peer,
    address: SocketAddr,
    socket: UdpSocket,
    keyring: Keyring,
    settings: Settings,
}

impl Pair {
    fn start(secret: &[u8], compress: bool) -> Result<Self> {
        // A port that nobody had a moment ago.
        let address = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let options =
            PeerOptions { secret: secret.to_vec(), compress, ..PeerOptions::new("theirs", address) };
        let socket = UdpSocket::bind(("127.0.0.1", 0))?;
        socket.set_read_timeout(Some(REACTION))?;
        Ok(Self {
            peer: Peer::start(&options)?,
            address,
            socket,
            keyring: Keyring::from_secret(secret),
            settings: Settings { enable_compression: compress, ..Settings::lan() },
        })
    }

    fn send(&self, messages: &[Message], with_checksum: bool, nonce: u8) -> Result<()> {
        let bodies: Vec<_> = messages.iter().map(packet::encode).collect();
        let (keyring, settings) = (&self.keyring, &self.settings);
        let sealing = Sealing { keyring, settings, with_checksum, nonce: [nonce; 12] };
        self.socket.send_to(&packet::seal(&bodies, &sealing), self.address)?;
        Ok(())
    }

    /// The sequence number of the next ack.
    fn ack(&self) -> Result<u32> {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let length = self.socket.recv(&mut buffer).context("no answer to our ping")?;
            let datagram = buffer.get(..length).context("a long datagram")?;
            for message in packet::open(datagram, &self.keyring, &self.settings)? {
                if let Message::Ack { sequence, .. } = message {
                    return Ok(sequence);
                }
            }
        }
    }

    /// Waits until the library believes in all of them, and in itself.
    fn expect(&mut self, ghosts: &[Alive]) -> Result<()> {
        let mut expected: Vec<_> = ghosts.iter().map(|ghost| ghost.node.clone()).collect();
        expected.push("theirs".to_owned());
        let end = Instant::now() + REACTION;
        let mut seen = Vec::new();
        while seen != expected {
            ensure!(Instant::now() < end, "{seen:?} instead of {expected:?}");
            seen = self.peer.members()?;
        }
        Ok(())
    }

    fn exchange(&self, message: &StreamMessage, nonce: u8) -> Result<StreamMessage> {
        let written = stream::encode(message, &self.keyring, &self.settings, [nonce; 12]);
        let mut connection = self.connect()?;
        connection.write_all(&written)?;
        let mut reader = stream::Reader::new(&self.keyring, &self.settings);
        let mut buffer = [0; 4096];
        loop {
            if let Some(answer) = reader.next_message()? {
                return Ok(answer);
            }
            let length = connection.read(&mut buffer)?;
            ensure!(length > 0, "the connection ended before the answer");
            reader.push(buffer.get(..length).unwrap_or_default());
        }
    }

    fn connect(&self) -> Result<TcpStream> {
        let connection = TcpStream::connect(self.address)?;
        connection.set_read_timeout(Some(REACTION))?;
        Ok(connection)
    }
}

/// Members that listen nowhere: the library believes in them for a while.
fn ghosts(count: u16) -> Vec<Alive> {
    let ghost = |number: u16| Alive {
        incarnation: 1,
        node: format!("ghost-{number:03}"),
        address: (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number), 7946).into(),
        meta: vec![0xa5, 0, 0xff],
        versions: Versions::OURS,
    };
    (0..count).map(ghost).collect()
}

fn ping(sequence: u32) -> Ping {
    Ping { sequence, node: "theirs".into(), source: None, source_node: "ours".into() }
}

#[test]
fn memberlist_understands_our_packets_and_streams_and_we_its() -> Result<()> {
    for (secret, compress) in [(&b""[..], false), (b"", true), (SECRET, false), (SECRET, true)] {
        let mut pair = Pair::start(secret, compress)?;

        // One message, several, and with a checksum.
        pair.send(&[Message::Ping(ping(1))], false, 1)?;
        assert_eq!(pair.ack()?, 1);
        let gossip = ghosts(3).into_iter().map(Message::Alive);
        let messages: Vec<_> = gossip.chain([Message::Ping(ping(70_000))]).collect();
        pair.send(&messages, true, 2)?;
        assert_eq!(pair.ack()?, 70_000);
        pair.expect(&ghosts(3))?;

        // A ping of last resort, and all state in both directions.
        let answer = pair.exchange(&StreamMessage::Ping(ping(3)), 3)?;
        assert_eq!(answer, StreamMessage::Ack { sequence: 3, payload: Vec::new() });
        let peers = ghosts(200).into_iter().map(|alive| PeerState { state: State::Alive, alive }).collect();
        let ours = PushPull { is_join: true, peers, user_state: Vec::new() };
        let answer = pair.exchange(&StreamMessage::PushPull(ours), 4)?;
        let StreamMessage::PushPull(theirs) = answer else { bail!("{answer:?}") };
        let mut names: Vec<_> = theirs.peers.iter().map(|peer| peer.alive.node.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["ghost-000", "ghost-001", "ghost-002", "theirs"]);
        pair.expect(&ghosts(200))?;
    }
    Ok(())
}

#[test]
fn memberlist_tells_us_why_it_refuses_a_stream() -> Result<()> {
    let pair = Pair::start(SECRET, true)?;
    let plain = stream::encode(&StreamMessage::Ping(ping(1)), &Keyring::plain(), &pair.settings, [0; 12]);
    let mut connection = pair.connect()?;
    connection.write_all(&plain)?;
    let mut refusal = Vec::new();
    connection.read_to_end(&mut refusal)?;
    let mut reader = stream::Reader::new(&pair.keyring, &pair.settings);
    reader.push(&refusal);
    let refusal = reader.next_message()?;
    assert!(
        matches!(&refusal, Some(StreamMessage::Error(why)) if why.contains("not encrypted")),
        "{refusal:?}"
    );
    Ok(())
}
