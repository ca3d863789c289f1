//! A server that answers as a test says, for answers of AWS that no emulator gives, and for those of other servers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use trailloop_cloud::{Aws, AwsOptions, connect};

/// A request as it arrived: the head in lower case, and the body.
pub(crate) struct Request {
    pub(crate) head: String,
    pub(crate) body: String,
}

/// What the server does with one connection.
pub(crate) enum Reply {
    /// It reads the request and answers this.
    Text(String),
    /// It reads the request and answers what the request makes of it.
    Said(Box<dyn FnOnce(&Request) -> String + Send>),
    /// It reads the request and waits until the client hangs up.
    Hang,
    /// It answers this and waits until the client hangs up.
    TextThenHang(String),
    /// It closes the connection with the request unread, which resets it.
    Reset,
    /// It answers this status with a body far longer than anyone should read, and fails if all of it is taken.
    Endless(u16),
}

/// More than the buffers of a connection hold.
const ENDLESS_BYTES: usize = 256 << 20;

/// Answers one connection per prepared answer, in order, and keeps the requests.
pub(crate) struct FakeHttp {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    server: JoinHandle<()>,
}

/// An answer with these header lines (each ending in `\r\n`), which then closes the connection.
pub(crate) fn answer(status: u16, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}"
    )
}

impl FakeHttp {
    pub(crate) fn start(answers: Vec<String>) -> Self {
        Self::start_with(answers.into_iter().map(Reply::Text).collect())
    }

    pub(crate) fn start_with(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&requests);
        let server = std::thread::spawn(move || {
            for reply in replies {
                let (client, _) = listener.accept().unwrap();
                kept.lock().unwrap().extend(serve(client, reply));
            }
        });
        Self { address, requests, server }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) async fn aws(&self) -> Aws {
        let options = AwsOptions {
            region: Some("us-east-1".to_owned()),
            endpoint_url: Some(self.url()),
            path_style: true,
        };
        connect(options).await.with_keys("test", "test")
    }

    /// All requests, once every prepared answer was given.
    pub(crate) fn finish(self) -> Vec<Request> {
        self.server.join().unwrap();
        std::mem::take(&mut self.requests.lock().unwrap())
    }
}

/// Serves one connection, and gives the request if it was read.
fn serve(mut client: TcpStream, reply: Reply) -> Option<Request> {
    if matches!(reply, Reply::Reset) {
        // Until something of the request lies there unread.
        client.peek(&mut [0]).unwrap();
        return None;
    }
    let request = read_request(&mut client);
    match reply {
        Reply::Text(text) => client.write_all(text.as_bytes()).unwrap(),
        Reply::Said(say) => client.write_all(say(&request).as_bytes()).unwrap(),
        Reply::Hang => wait_for_end(&mut client),
        Reply::TextThenHang(text) => {
            client.write_all(text.as_bytes()).unwrap();
            wait_for_end(&mut client);
        }
        Reply::Endless(status) => {
            let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {ENDLESS_BYTES}\r\n\r\n");
            client.write_all(head.as_bytes()).unwrap();
            let chunk = [b'a'; 65_536];
            let chunks = ENDLESS_BYTES / chunk.len();
            let taken = (0..chunks).all(|_| client.write_all(&chunk).is_ok());
            assert!(!taken, "the client took the whole body");
        }
        Reply::Reset => {}
    }
    Some(request)
}

fn wait_for_end(client: &mut TcpStream) {
    // However the client ends it, the connection is over then.
    while client.read(&mut [0; 1024]).is_ok_and(|read| read > 0) {}
}

fn read_request(client: &mut TcpStream) -> Request {
    let mut bytes = Vec::new();
    let mut chunk = [0; 65_536];
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let length: usize = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |length| length.trim().parse().unwrap());
            if body.len() >= length {
                return Request { head, body: body.to_owned() };
            }
        }
        let read = client.read(&mut chunk).unwrap();
        assert!(read > 0, "the client hung up inside its request");
        bytes.extend_from_slice(&chunk[..read]);
    }
}
