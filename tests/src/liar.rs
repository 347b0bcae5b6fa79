//! A coordinator's HTTP interface with some of its answers changed: what a dishonest server, or somebody on
//! the way to an honest one, can show.

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Passes `GET`s on and changes what comes back; ends when dropped.
#[derive(Debug)]
pub struct Liar {
    url: String,
    _serving: JoinSet<()>,
}

impl Liar {
    /// Before the coordinator at `origin`. `lie` gets the path with its query and the honest body.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(
        origin: String,
        lie: impl Fn(&str, Vec<u8>) -> Vec<u8> + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let client = reqwest::Client::new();
            while let Ok((stream, _)) = listener.accept().await {
                // One that breaks off concerns only who asked.
                let _ = answer(stream, &client, &origin, &lie).await;
            }
        });
        Ok(Self { url, _serving: serving })
    }

    /// Where it listens, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        self.url.clone()
    }
}

async fn answer(
    stream: TcpStream,
    client: &reqwest::Client,
    origin: &str,
    lie: &(impl Fn(&str, Vec<u8>) -> Vec<u8> + Sync),
) -> anyhow::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while stream.read_line(&mut head).await? > 2 {}
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let answer = client.get(format!("{origin}{path}")).send().await?;
    let status = answer.status().as_u16();
    let body = answer.bytes().await?.to_vec();
    let body = if status == 200 { lie(&path, body) } else { body };
    let head = format!(
        "HTTP/1.1 {status} OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&body).await?;
    Ok(stream.shutdown().await?)
}
