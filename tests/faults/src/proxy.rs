//! A TCP forwarder with faults: what lies between a member of the site and its broker.
//!
//! It sees TLS records and nothing in them. Two threads carry the bytes of each connection, so a fault that
//! holds one back holds nobody else.

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

/// How often a carrying thread looks for a change of mind.
const LOOK: Duration = Duration::from_millis(10);
/// Bytes carried at a time.
const PIECE: usize = 16 * 1024;

/// What is done to the traffic now.
#[derive(Debug, Default)]
struct Mood {
    frozen: AtomicBool,
    refusing: AtomicBool,
    /// 0 for no limit.
    bytes_per_s: AtomicU64,
    delay_ms: AtomicU64,
}

/// One connection, both halves.
#[derive(Debug)]
struct Pair {
    ends: [TcpStream; 2],
    over: AtomicBool,
}

#[derive(Debug, Default)]
struct Shared {
    mood: Mood,
    pairs: Mutex<Vec<Arc<Pair>>>,
    ended: AtomicBool,
}

/// A running proxy.
#[derive(Debug)]
pub(crate) struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

impl Proxy {
    /// Listens on a port of its own and forwards to `target` on this machine.
    ///
    /// # Errors
    /// What the system fails with.
    pub(crate) fn start(target: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming() {
                if own.ended.load(Ordering::Acquire) {
                    return;
                }
                if own.mood.refusing.load(Ordering::Acquire) {
                    continue;
                }
                if let Ok(client) = client {
                    // A broker that is away looks like one: the connection ends at once.
                    let _ = Shared::connect(&own, client, target);
                }
            }
        });
        Ok(Self { port, shared })
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Ends every connection, in order or by a reset.
    pub(crate) fn cut(&self, reset: bool) {
        let mut pairs = self.shared.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        for pair in pairs.drain(..) {
            pair.end(reset);
        }
    }

    /// From now on nothing passes, or everything does again.
    pub(crate) fn freeze(&self, frozen: bool) {
        self.shared.mood.frozen.store(frozen, Ordering::Release);
    }

    /// From now on new connections are closed at once, or taken again.
    pub(crate) fn refuse(&self, refusing: bool) {
        self.shared.mood.refusing.store(refusing, Ordering::Release);
        if refusing {
            self.cut(false);
        }
    }

    /// At most so many bytes a second and way; 0 for no limit.
    pub(crate) fn slow(&self, bytes_per_s: u64) {
        self.shared.mood.bytes_per_s.store(bytes_per_s, Ordering::Release);
    }

    /// Every piece passes so much later; 0 for at once.
    pub(crate) fn delay(&self, by_ms: u64) {
        self.shared.mood.delay_ms.store(by_ms, Ordering::Release);
    }

    /// No fault any more.
    pub(crate) fn heal(&self) {
        self.freeze(false);
        self.refuse(false);
        self.slow(0);
        self.delay(0);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        self.heal();
        self.cut(false);
        // Wakes the thread that waits for connections; when that fails it has ended already.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl Shared {
    fn connect(shared: &Arc<Self>, client: TcpStream, target: u16) -> io::Result<()> {
        let broker = TcpStream::connect((Ipv4Addr::LOCALHOST, target))?;
        for end in [&client, &broker] {
            end.set_nodelay(true)?;
            end.set_read_timeout(Some(LOOK))?;
        }
        let pair = Arc::new(Pair {
            ends: [client, broker],
            over: AtomicBool::new(false),
        });
        let mut pairs = shared.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        pairs.retain(|pair| !pair.over.load(Ordering::Acquire));
        pairs.push(Arc::clone(&pair));
        drop(pairs);
        if shared.mood.refusing.load(Ordering::Acquire) {
            // It was on its way when the refusal began.
            pair.end(false);
        }
        for from in [0, 1] {
            let (shared, pair) = (Arc::clone(shared), Arc::clone(&pair));
            thread::spawn(move || {
                // Whatever ended one way ends the other.
                let _ = pair.carry(from, &shared.mood);
                pair.end(false);
            });
        }
        Ok(())
    }
}

impl Pair {
    fn end(&self, reset: bool) {
        if self.over.swap(true, Ordering::AcqRel) {
            return;
        }
        if reset {
            for end in &self.ends {
                // A socket that is gone already needs no reset.
                let _ = rustix::net::sockopt::set_socket_linger(end, Some(Duration::ZERO));
            }
            return;
        }
        for end in &self.ends {
            // Fails when the other side ended it first.
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// Sleeps in short pieces, so that the end of the connection ends it.
    fn pause(&self, time: Duration) {
        let mut left = time;
        while !left.is_zero() && !self.is_over() {
            let piece = left.min(LOOK);
            thread::sleep(piece);
            left -= piece;
        }
    }

    fn carry(&self, from: usize, mood: &Mood) -> io::Result<()> {
        let (mut source, mut sink) = (&self.ends[from], &self.ends[1 - from]);
        let mut buffer = vec![0; PIECE];
        while !self.is_over() {
            if mood.frozen.load(Ordering::Acquire) {
                self.pause(LOOK);
                continue;
            }
            let len = match source.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(len) => len,
                Err(error) if is_timeout(&error) => continue,
                Err(error) => return Err(error),
            };
            self.pause(Duration::from_millis(mood.delay_ms.load(Ordering::Acquire)));
            let rate = mood.bytes_per_s.load(Ordering::Acquire);
            if let Some(ms) = (1_000 * len as u64).checked_div(rate) {
                self.pause(Duration::from_millis(ms));
            }
            while mood.frozen.load(Ordering::Acquire) && !self.is_over() {
                self.pause(LOOK);
            }
            if !self.is_over() {
                sink.write_all(&buffer[..len])?;
            }
        }
        Ok(())
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client and a server with the proxy between them.
    fn through() -> (Proxy, TcpStream, TcpStream) {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let proxy = Proxy::start(server.local_addr().unwrap().port()).unwrap();
        let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap();
        let (mut peer, _) = server.accept().unwrap();
        // Once a byte has passed, the proxy knows the connection.
        client.write_all(&[0]).unwrap();
        peer.read_exact(&mut [0]).unwrap();
        (proxy, client, peer)
    }

    #[test]
    fn bytes_pass_and_a_frozen_connection_keeps_them_until_it_thaws() {
        let (proxy, mut client, mut peer) = through();
        client.write_all(b"one").unwrap();
        let mut three = [0; 3];
        peer.read_exact(&mut three).unwrap();
        assert_eq!(&three, b"one");
        proxy.freeze(true);
        client.write_all(b"two").unwrap();
        peer.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        assert!(peer.read(&mut three).is_err());
        proxy.freeze(false);
        peer.set_read_timeout(None).unwrap();
        peer.read_exact(&mut three).unwrap();
        assert_eq!(&three, b"two");
    }

    #[test]
    fn a_cut_is_an_end_and_a_reset_is_an_error() {
        let (proxy, mut client, _peer) = through();
        proxy.cut(false);
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
        let (proxy, mut client, _peer) = through();
        proxy.cut(true);
        let error = client.read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }

    #[test]
    fn a_refusing_proxy_ends_what_is_there_and_what_comes() {
        let (proxy, mut client, _peer) = through();
        proxy.refuse(true);
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
        let mut next = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap();
        assert!(matches!(next.read(&mut [0]), Ok(0) | Err(_)));
    }
}
