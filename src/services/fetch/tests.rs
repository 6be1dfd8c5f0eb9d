//! Against a server on this machine that answers well, slowly, without end, with redirections.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{StatusCode, header::LOCATION},
    response::IntoResponse,
    routing::{get, post},
};

use super::*;
use crate::world::SystemClock;

static ASKED: AtomicUsize = AtomicUsize::new(0);

/// Answers the address of the server.
async fn serve() -> SocketAddr {
    let endless = || {
        let chunks = futures_util::stream::repeat(Ok::<_, std::convert::Infallible>(Bytes::from(vec![0; 4096])));
        Body::from_stream(chunks)
    };
    let slow = || async {
        tokio::time::sleep(Wait::from_secs(60)).await;
        "late"
    };
    let to = |address: &'static str| move || async move { (StatusCode::FOUND, [(LOCATION, address)]) };
    let counted = || async { ASKED.fetch_add(1, Ordering::SeqCst).to_string() };
    let router = Router::new()
        .route("/good", get(|| async { "good" }))
        .route("/counted", get(counted))
        .route("/endless", get(move || async move { endless() }))
        .route("/slow", get(slow))
        .route("/missing", get(|| async { StatusCode::NOT_FOUND.into_response() }))
        .route("/echo", post(|body: Bytes| async move { body }))
        .route("/moved", get(to("/good")))
        .route("/posted", post(to("/good")))
        .route("/circle", get(to("/circle")))
        .route("/inside", get(to("http://10.0.0.1/x")))
        .route("/metadata", get(to("http://169.254.169.254/latest")))
        .route("/file", get(to("file:///etc/passwd")))
        .route("/tls", get(to("https://127.0.0.1/")));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

fn fetcher(allow: &[&str]) -> Fetcher {
    let allow = allow.iter().map(|network| (*network).to_owned()).collect();
    let config = FetchConfig { enabled: true, allow, octets: 100_000, seconds: 1 };
    Fetcher::open(&config, Arc::new(SystemClock)).unwrap().unwrap()
}

#[tokio::test]
async fn answers_are_bounded_in_size_time_and_redirections() {
    let address = serve().await;
    let fetcher = fetcher(&["127.0.0.0/8"]);
    let fetch = async |path: &str, question: Option<&[u8]>| {
        let url = format!("http://{address}{path}");
        let answer = fetcher.ask(&url, question.map(<[u8]>::to_vec));
        let answer = tokio::time::timeout(fetcher.time, answer).await.map_err(|_| FetchError::TooLate(fetcher.time)).flatten();
        answer.map(|body| String::from_utf8(body).unwrap()).map_err(|error| error.to_string())
    };
    for (path, question, expected) in [
        ("/good", None, Ok("good")),
        ("/moved", None, Ok("good")),
        ("/echo", Some(&b"question"[..]), Ok("question")),
        ("/missing", None, Err("answered with 404")),
        ("/endless", None, Err("larger than 100000 octets")),
        ("/slow", None, Err("not within 1s")),
        ("/circle", None, Err("more than 3 redirections")),
        ("/inside", None, Err("http://10.0.0.1/x has no address that may be asked")),
        ("/metadata", None, Err("http://169.254.169.254/latest has no address that may be asked")),
        ("/file", None, Err("file:///etc/passwd is not an address of plain http")),
        ("/tls", None, Err("https://127.0.0.1/ is not an address of plain http")),
        ("/posted", Some(&b"question"[..]), Err("answered with 302")),
    ] {
        let found = fetch(path, question).await;
        assert_eq!(found.as_ref().map(String::as_str).map_err(String::as_str), expected, "{path}");
    }
}

/// Whatever is written, it is the address behind it that counts.
#[tokio::test]
async fn private_addresses_are_refused_under_every_name() {
    let port = serve().await.port();
    let fetcher = fetcher(&[]);
    for host in ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "[64:ff9b::7f00:1]"] {
        let error = fetcher.ask(&format!("http://{host}:{port}/good"), None).await.unwrap_err();
        assert!(matches!(error, FetchError::Address(_)), "{host}: {error}");
    }
    for url in ["ftp://127.0.0.1/x", "ldap://127.0.0.1/x", "gopher://127.0.0.1/x", "no address", "http://"] {
        assert!(matches!(fetcher.ask(url, None).await, Err(FetchError::Scheme(_))), "{url}");
    }
}

#[tokio::test]
async fn an_answer_is_kept_for_a_while_and_so_is_a_failure() {
    let address = serve().await;
    let fetcher = fetcher(&["127.0.0.1/32"]);
    let url = format!("http://{address}/counted");
    let first = fetcher.fetch(&url, None).await.unwrap();
    assert_eq!(fetcher.fetch(&url, None).await.unwrap(), first);
    assert_ne!(fetcher.ask(&url, None).await.unwrap(), first.unwrap().to_vec());
    let missing = format!("http://{address}/missing");
    assert!(fetcher.fetch(&missing, None).await.is_err());
    assert_eq!(fetcher.fetch(&missing, None).await.unwrap(), None);
}

#[test]
fn the_cache_is_bounded_and_forgets() {
    let now = OffsetDateTime::UNIX_EPOCH;
    let key = |index: usize| Key { url: format!("http://x/{index}"), question: None };
    let mut cache = Cache::default();
    for index in 0..2 * CACHE_ENTRIES {
        cache.keep(key(index), Some(vec![0; 10].into()), now + Duration::milliseconds(index as i64));
    }
    assert_eq!((cache.entries.len(), cache.octets), (CACHE_ENTRIES, 10 * CACHE_ENTRIES));
    assert!(cache.find(&key(0), now).is_none());
    let last = key(2 * CACHE_ENTRIES - 1);
    assert!(cache.find(&last, now + Duration::minutes(4)).is_some());
    assert!(cache.find(&last, now + CACHE_TIME + Duration::seconds(1)).is_none());
    assert!(cache.find(&last, now - Duration::minutes(1)).is_none());
    for index in 0..3 {
        cache.keep(key(index), Some(vec![0; CACHE_OCTETS / 2].into()), now + Duration::minutes(index as i64));
    }
    assert!(cache.octets <= CACHE_OCTETS && cache.find(&key(0), now).is_none());
}
