//! A server that answers as a test says, for answers of AWS that no emulator gives.

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
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&requests);
        let server = std::thread::spawn(move || {
            for answer in answers {
                let (mut client, _) = listener.accept().unwrap();
                kept.lock().unwrap().push(read_request(&mut client));
                client.write_all(answer.as_bytes()).unwrap();
            }
        });
        Self { address, requests, server }
    }

    pub(crate) async fn aws(&self) -> Aws {
        let options = AwsOptions {
            region: Some("us-east-1".to_owned()),
            endpoint_url: Some(format!("http://{}", self.address)),
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
