//! Accepting connections: how many at once, how long a client may take to shake hands and to say what it wants, and an end
//! that waits for what is in flight.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::config::Limits;

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    pub address: SocketAddr,
    /// The DER of the client's certificate, if it showed one that chains to our roots.
    pub certificate: Option<Arc<Vec<u8>>>,
}

/// One address and what is served there, with TLS or without.
pub struct Listener {
    tcp: TcpListener,
    connections: Arc<Semaphore>,
    server: Server,
}

#[derive(Clone)]
struct Server {
    tls: Option<TlsAcceptor>,
    router: Router,
    header: Duration,
}

impl Listener {
    pub fn new(tcp: TcpListener, tls: Option<TlsAcceptor>, router: Router, limits: &Limits) -> Self {
        let header = Duration::from_secs(limits.header_seconds);
        Self { tcp, connections: Arc::new(Semaphore::new(limits.connections)), server: Server { tls, router, header } }
    }

    /// Serves until `stopped`, then until the last request in flight has its answer.
    ///
    /// A connection above the limit is not refused: it waits in the backlog of the operating system.
    pub async fn serve(self, mut stopped: watch::Receiver<bool>) {
        let graceful = GracefulShutdown::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.accept() => accepted,
                // The sender lives as long as the service; its end is a stop too.
                _ = stopped.wait_for(|stop| *stop) => break,
            };
            match accepted {
                Ok((stream, address, permit)) => {
                    let (server, watcher) = (self.server.clone(), graceful.watcher());
                    tokio::spawn(async move {
                        server.connection(stream, address, watcher).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    // Out of file descriptors, usually: wait for some to be closed instead of spinning.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
        // The port is free at once; the answers take their time.
        drop(self);
        graceful.shutdown().await;
    }

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
        let permit = self.connections.clone().acquire_owned().await.map_err(io::Error::other)?;
        let (stream, address) = self.tcp.accept().await?;
        Ok((stream, address, permit))
    }
}

impl Server {
    /// Shakes hands beside the other connections, so that a slow client holds up nobody.
    async fn connection(self, stream: TcpStream, address: SocketAddr, watcher: Watcher) {
        let Some(tls) = &self.tls else {
            return self.answer(stream, Peer { address, certificate: None }, watcher).await;
        };
        match tokio::time::timeout(self.header, tls.accept(stream)).await {
            Ok(Ok(stream)) => {
                let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
                let certificate = shown.map(|leaf| Arc::new(leaf.to_vec()));
                self.answer(stream, Peer { address, certificate }, watcher).await;
            }
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        }
    }

    /// Answers the requests of one connection, and cuts off a client that takes longer than `header` over the head of the next.
    async fn answer(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, peer: Peer, watcher: Watcher) {
        let service = self.router.map_request(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer.clone()));
            request.map(Body::new)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.header)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}
