#![expect(clippy::unwrap_used, reason = "tests")]

use http_body_util::BodyExt as _;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use super::*;

/// A server that reads a request and writes what it is told to, on one connection after the other. Gives
/// the requests.
async fn serve(listener: TcpListener, connections: Vec<Vec<Vec<u8>>>) -> Vec<String> {
    let mut heads = Vec::new();
    'connections: for answers in connections {
        let (mut stream, _) = listener.accept().await.unwrap();
        for answer in answers {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n{}") && !request.ends_with(b"local\r\n\r\n") {
                let mut byte = [0];
                if !matches!(stream.read(&mut byte).await, Ok(1)) {
                    continue 'connections;
                }
                request.extend_from_slice(&byte);
            }
            heads.push(String::from_utf8(request).unwrap());
            stream.write_all(&answer).await.unwrap();
        }
    }
    heads
}

struct Scripted {
    client: PlainClient,
    server: tokio::task::JoinHandle<Vec<String>>,
}

async fn scripted(connections: &[&[&[u8]]]) -> Scripted {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections: Vec<Vec<Vec<u8>>> = connections
        .iter()
        .map(|answers| answers.iter().map(|answer| answer.to_vec()).collect())
        .collect();
    #[expect(clippy::disallowed_methods, reason = "a server for one test")]
    let server = tokio::spawn(serve(listener, connections));
    Scripted { client: PlainClient::new("127.0.0.1", port, "local"), server }
}

impl Scripted {
    async fn ask(&self) -> Result<Response<PlainBody>, PlainError> {
        self.client.send(&Method::POST, "/v1", None, &Bytes::from_static(b"{}")).await
    }

    async fn text(&self) -> Result<String, PlainError> {
        let body = self.ask().await?.into_body().collect().await?.to_bytes();
        Ok(String::from_utf8(body.to_vec()).unwrap())
    }
}

const FIXED: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\ncontent-length: 5\r\n\r\nhello";
const CHUNKED: &[u8] =
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
    5;a=b\r\nhello\r\n1\r\n \r\n00A\r\n0123456789\r\n0\r\nx: y\r\n\r\n";
const UNTIL_CLOSED: &[u8] = b"HTTP/1.0 200 OK\r\n\r\nhello";

#[tokio::test]
async fn request_names_its_server_its_key_and_its_length() {
    let scripted = scripted(&[&[FIXED, FIXED]]).await;
    let key = HeaderValue::from_static("Bearer k");
    let body = Bytes::from_static(b"{}");
    let answer = scripted.client.send(&Method::POST, "/v1/x", Some(&key), &body).await.unwrap();
    assert_eq!(answer.headers()[CONTENT_TYPE], "application/json");
    answer.into_body().collect().await.unwrap();
    let answer = scripted.client.send(&Method::GET, "/health", None, &Bytes::new()).await;
    answer.unwrap().into_body().collect().await.unwrap();
    assert_eq!(
        scripted.server.await.unwrap(),
        [
            "POST /v1/x HTTP/1.1\r\nhost: local\r\ncontent-type: application/json\r\n\
             content-length: 2\r\nauthorization: Bearer k\r\n\r\n{}",
            "GET /health HTTP/1.1\r\nhost: local\r\n\r\n",
        ]
    );
}

#[tokio::test]
async fn answer_is_read_by_length_by_chunks_or_until_the_server_closes() {
    let scripted = scripted(&[&[FIXED, CHUNKED, FIXED, UNTIL_CLOSED], &[FIXED]]).await;
    for expected in ["hello", "hello 0123456789", "hello", "hello", "hello"] {
        assert_eq!(scripted.text().await.unwrap(), expected);
    }
    assert_eq!(scripted.server.await.unwrap().len(), 5);
}

#[tokio::test]
async fn chunks_are_the_same_wherever_they_are_cut() {
    for cut in 1..CHUNKED.len() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let pool = PlainClient::new("127.0.0.1", 1, "local").0;
        let head = CHUNKED.windows(4).rposition(|end| end == b"d\r\n\r").unwrap() + 5;
        let (first, second) = CHUNKED.split_at(head).1.split_at(cut.min(CHUNKED.len() - head));
        let mut body = PlainBody {
            connection: Some((stream, pool)),
            buffer: BytesMut::from(first),
            left: Left::ChunkSize,
            reusable: true,
        };
        let mut text = body.decode().unwrap().unwrap_or_default().to_vec();
        body.buffer.extend_from_slice(second);
        text.extend_from_slice(&body.decode().unwrap().unwrap_or_default());
        assert_eq!((text.as_slice(), body.left), (&b"hello 0123456789"[..], Left::Nothing));
    }
}

#[tokio::test]
async fn chunks_that_are_there_come_as_one() {
    let scripted = scripted(&[&[CHUNKED]]).await;
    let mut body = scripted.ask().await.unwrap().into_body();
    // The whole answer is one write on loopback; what is read of it at once is one frame.
    scripted.server.await.unwrap();
    let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(frame, "hello 0123456789");
    assert!(body.is_end_stream());
}

#[tokio::test]
async fn request_into_a_connection_that_the_server_closed_goes_out_on_a_new_one() {
    let scripted = scripted(&[&[FIXED], &[FIXED]]).await;
    assert_eq!(scripted.text().await.unwrap(), "hello");
    // Until this side knows that the first connection is closed.
    let pool = Arc::clone(&scripted.client.0);
    let (since, stream) = pool.idle.lock().pop_back().unwrap();
    stream.readable().await.unwrap();
    pool.idle.lock().push_back((since, stream));
    assert_eq!(scripted.text().await.unwrap(), "hello");
    assert_eq!(scripted.server.await.unwrap().len(), 2);
}

#[tokio::test]
async fn answer_dropped_before_its_end_closes_its_connection() {
    let long = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello";
    let scripted = scripted(&[&[long, FIXED], &[FIXED]]).await;
    drop(scripted.ask().await.unwrap());
    assert_eq!(scripted.text().await.unwrap(), "hello");
}

#[tokio::test]
async fn answer_that_breaks_off_or_is_no_http_is_an_error() {
    let broken: [&[u8]; 4] = [
        b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 6",
        b"",
    ];
    for answer in broken {
        let scripted = scripted(&[&[answer]]).await;
        assert!(matches!(scripted.text().await, Err(PlainError::Closed)));
    }
    let wrong: [&[u8]; 5] = [
        b"hello\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n",
    ];
    for answer in wrong {
        let scripted = scripted(&[&[answer]]).await;
        assert!(matches!(scripted.text().await, Err(PlainError::Protocol(_))));
    }
}
