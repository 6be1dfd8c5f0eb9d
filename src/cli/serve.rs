//! `hufu serve`: runs the service until Ctrl-C or SIGTERM, then finishes what is in flight.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use clap::Args;
use rustls::pki_types::CertificateDer;
use serde::Serialize;
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    task::JoinHandle,
};
use url::Url;

use crate::{
    config::Config,
    crypto::tls,
    http::{
        self,
        listener::Listener,
        tls::{ListenerCertificate, server_config},
    },
    services::{
        Services, crash,
        install::Claims,
        notices::deliver,
        own_certificates::ListenerIdentity,
        start::{Started, World},
        upkeep,
    },
    world::{SystemClock, SystemEntropy},
};

#[derive(Debug, Args, Serialize)]
pub struct Serve {
    /// A configuration file (TOML)
    #[arg(long, env = "HUFU_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// The data directory
    #[arg(long, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,
    /// The database: sqlite://PATH or postgres://…; default: DIR/hufu.db
    #[arg(long, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// Where the API listens [default: 127.0.0.1:8443]
    #[arg(long, value_name = "ADDR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub https: Option<SocketAddr>,
    /// Where certificates, CRLs, OCSP and the ledger are served [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<SocketAddr>,
    /// The address of the HTTP side as others reach it; every URL inside certificates starts with it
    #[arg(long, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<Url>,
    /// The address of the API as others reach it, https://…: the listener's certificate names its host
    #[arg(long, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_url: Option<Url>,
}

impl Serve {
    pub async fn run(self) -> anyhow::Result<()> {
        crate::cli::log_to_stderr();
        if let Ok(point) = std::env::var("HUFU_CRASH_AT") {
            crash::arm(&point).map_err(anyhow::Error::msg)?;
        }
        let config = Config::load(self.config.as_deref(), &self)?;
        let data = config.data.clone();
        let world = World { clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy) };
        let running = Running::start(config, world).await?;
        announce_claims(&running.services, &data.join("claims.json")).await?;
        eprintln!("hufu: API on https://{}  public on http://{}  data in {}", running.https, running.http, data.display());
        tokio::select! {
            stopped = stop_signal() => stopped?,
            () = running.writer_ended() => anyhow::bail!("the journal has ended; start the service again"),
        }
        eprintln!("hufu: finishing what is in flight");
        running.stop().await
    }
}

/// Says where the codes of the first officers are, as long as one of them works.
async fn announce_claims(services: &Services, path: &Path) -> anyhow::Result<()> {
    let file = match std::fs::read(path) {
        Ok(file) => file,
        // Whoever has used both deletes it.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
    };
    let claims: Claims = serde_json::from_slice(&file).with_context(|| format!("reading {}", path.display()))?;
    match services.open_claims(&claims).await?.as_slice() {
        [] => {}
        open => eprintln!("hufu: one-time codes of the first {}: {}", open.join(" and "), path.display()),
    }
    Ok(())
}

/// Ctrl-C, or what a service manager sends.
async fn stop_signal() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result.context("waiting for Ctrl-C")?,
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// How long a stop waits for requests in flight.
const GRACE: std::time::Duration = std::time::Duration::from_secs(30);

/// A running service: both listeners, upkeep, the delivery of notices, and the journal.
pub struct Running {
    pub https: SocketAddr,
    pub http: SocketAddr,
    pub services: Arc<Services>,
    stop: watch::Sender<bool>,
    servers: Vec<JoinHandle<()>>,
    upkeep: JoinHandle<()>,
    notices: JoinHandle<()>,
    journal: JoinHandle<()>,
    /// On the data directory.
    _lock: std::fs::File,
}

impl Running {
    /// Binds both listeners, then starts the services behind them. Port 0 takes a free one.
    pub async fn start(config: Config, world: World) -> anyhow::Result<Self> {
        let https = bind(config.https, "https").await?;
        let http = bind(config.http, "http").await?;
        let (https_address, http_address) = (https.local_addr()?, http.local_addr()?);
        let base_url = if config.base_url.is_some() { config.base_url() } else { format!("http://{http_address}") };

        let api_origin = Config { https: https_address, ..config.clone() }.api_origin();

        let Started { services, journal, lock } = Services::start(&config, base_url, api_origin, world).await?;
        let certificate = Arc::new(ListenerCertificate::new(certified(services.listener_identity().await?)?));
        let roots: Vec<Vec<u8>> = services.authorities().roots()?.iter().map(|root| root.der().to_vec()).collect();
        let tls = server_config(certificate.clone(), &roots).map_err(|error| anyhow::anyhow!("TLS: {error}"))?;

        let hangup = signal(SignalKind::hangup())?;
        let (stop, stopped) = watch::channel(false);
        let api = http::api(services.clone(), &config.limits);
        let public = http::public(services.clone(), &config.limits);
        let api = Listener::new(https, Some(Arc::new(tls).into()), api, &config.limits);
        let public = Listener::new(http, None, public, &config.limits);
        let servers = [api, public].map(|listener| tokio::spawn(listener.serve(stopped.clone()))).into();
        let upkeep = tokio::spawn(keep_up(services.clone(), certificate, hangup));
        let notices = tokio::spawn(deliver_notices(services.clone()));
        Ok(Self { https: https_address, http: http_address, services, stop, servers, upkeep, notices, journal, _lock: lock })
    }

    /// Resolves when the journal cannot go on: another writer has its ledger.
    async fn writer_ended(&self) {
        while !self.journal.is_finished() {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
    }

    /// Lets requests in flight finish, then the journal, so that nothing that was promised is cut off.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.stop.send_replace(true);
        for mut server in self.servers {
            match tokio::time::timeout(GRACE, &mut server).await {
                Ok(ended) => ended?,
                // A client that never finishes its request is not waited for.
                Err(_) => server.abort(),
            }
        }
        for task in [self.upkeep, self.notices] {
            task.abort();
            let _ = task.await;
        }
        // The journal ends when nobody can reach it any more.
        drop(self.services);
        match tokio::time::timeout(GRACE, self.journal).await {
            Ok(ended) => Ok(ended?),
            // Whoever still holds on is such a client; what was committed is safe, and the next start signs what is left.
            Err(_) => Ok(()),
        }
    }
}

async fn bind(address: SocketAddr, setting: &str) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).await;
    listener
        .with_context(|| format!("listening on {address} (another address is named with --{setting}, or {setting} in the configuration)"))
}

/// Upkeep for as long as the service runs, and SIGHUP; a new listener certificate is shown from the next connection on.
async fn keep_up(services: Arc<Services>, certificate: Arc<ListenerCertificate>, mut hangup: Signal) {
    let mut ticks = tokio::time::interval(upkeep::INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // The first tick comes at once, and the start has just done its round.
    ticks.tick().await;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            // What may change while the service runs has changed.
            _ = hangup.recv() => {
                services.reload_anchors();
                continue;
            }
        }
        if services.upkeep().await.listener_is_new {
            match services.listener_identity().await.map_err(anyhow::Error::from).and_then(certified) {
                Ok(key) => certificate.replace(key),
                Err(error) => tracing::error!(error = format!("{error:#}"), "the listener keeps its old certificate"),
            }
        }
    }
}

/// Beside upkeep, which no slow mail server may hold up. An attempt that a stop cuts off is made again.
async fn deliver_notices(services: Arc<Services>) {
    let mut ticks = tokio::time::interval(deliver::INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        services.deliver_notices().await;
    }
}

fn certified(identity: ListenerIdentity) -> anyhow::Result<rustls::sign::CertifiedKey> {
    Ok(tls::certified_key(identity.chain.into_iter().map(CertificateDer::from).collect(), &identity.key)?)
}
