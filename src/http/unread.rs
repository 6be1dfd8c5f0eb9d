//! Bodies that nobody reads. A request may be refused before its body has come, and hyper then closes the connection, so that a
//! client which still sends, or uses the connection again, is cut off and never sees why. What a handler leaves is therefore
//! read and forgotten before the answer goes out, as far as it is short and comes soon.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::Request,
    middleware::Next,
    response::Response,
};
use hyper::body::{Frame, SizeHint};

/// What is worth reading to keep a connection.
const MOST_OCTETS: usize = 256 * 1024;
const PATIENCE: Duration = Duration::from_secs(1);

/// Lends the body to the handler, and reads what it leaves.
pub async fn read_what_is_left(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let lent = Lent(Arc::new(Mutex::new(body)));
    let response = next.run(Request::from_parts(parts, Body::new(lent.clone()))).await;
    // Beyond the patience the connection is closed, which is all that can be done.
    let _ = tokio::time::timeout(PATIENCE, lent.read()).await;
    response
}

#[derive(Clone)]
struct Lent(Arc<Mutex<Body>>);

impl Lent {
    async fn read(mut self) {
        let mut octets = 0;
        while let Some(Ok(frame)) = std::future::poll_fn(|context| Pin::new(&mut self).poll_frame(context)).await {
            octets += frame.data_ref().map_or(0, Bytes::len);
            if octets > MOST_OCTETS {
                return;
            }
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Body) -> T) -> T {
        // A panic while this was held left a body, which is as good as any.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.with(|body| Pin::new(body).poll_frame(context))
    }

    fn is_end_stream(&self) -> bool {
        self.with(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.with(|body| body.size_hint())
    }
}
