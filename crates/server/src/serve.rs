//! The loop that accepts connections, and its orderly end.
//!
//! Connections, handshakes, heads and the draining at the end are all bounded. What a request means is not known here.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::limits::{CONNECTION_BUFFER_BYTES, HTTP2_PING, LINGER_SILENCE, LINGER_TOTAL, Limits};
use crate::lingering::Linger;
use crate::routes;
use crate::state::AppState;
use crate::tls::{self, TlsError, TlsFiles};

/// What the loop needs besides the state.
#[derive(Debug)]
pub struct ServeConfig {
    /// A bound socket; the caller binds it so that it can say which port it got.
    pub listener: TcpListener,
    /// Speak TLS with this identity, and nothing else.
    pub tls: Option<TlsFiles>,
}

/// Why serving did not begin or did not end well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The TLS identity is of no use.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// The address of the client, as an extension of each request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PeerAddress(pub(crate) SocketAddr);

/// Whether the client speaks TLS, as an extension of each request; cookies are then marked `Secure`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OverTls(pub(crate) bool);

/// Answers requests until `shutdown` is ready, then lets those in flight end, for as long as [`Limits::drain`] says.
///
/// The engine is not closed here: the caller does that when this has returned and no request can come any more.
///
/// # Errors
/// [`ServeError::Tls`] if the TLS files cannot be used; nothing was accepted then.
pub async fn serve(
    config: ServeConfig,
    state: AppState,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ServeError> {
    let limits = state.limits().clone();
    let acceptor = config.tls.as_ref().map(tls::acceptor).transpose()?;
    let acceptor = Acceptor {
        router: crate::app(state.clone()),
        state,
        tls: acceptor,
        builder: Arc::new(builder(&limits)),
        handshake: limits.tls_handshake,
        first_request: limits.first_request,
        linger: Linger { silence: limits.body_stall.min(LINGER_SILENCE), total: limits.body_total.min(LINGER_TOTAL) },
        cut: CancellationToken::new(),
    };
    // It waits for the engine's replay, and nobody waits for it.
    tokio::spawn(routes::finish_drops(acceptor.state.clone()));
    let mut jobs = JoinSet::new();
    jobs.spawn(routes::run_jobs(acceptor.state.clone()));
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(limits.connections));
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        // A place first: without one, new connections wait in the kernel's queue, which is bounded too.
        let place = tokio::select! {
            () = &mut shutdown => break,
            place = Arc::clone(&places).acquire_owned() => place,
        };
        let Ok(place) = place else { break };
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = config.listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, address)) => acceptor.spawn(stream, address, place, graceful.watcher()),
            Err(error) => pause_after(&error).await,
        }
    }
    drop(config.listener);
    // What a run was doing comes again at the next start.
    jobs.shutdown().await;
    if tokio::time::timeout(limits.drain, graceful.shutdown()).await.is_err() {
        tracing::warn!(waited = ?limits.drain, "some requests did not end in time and are cut");
        acceptor.cut.cancel();
    }
    Ok(())
}

fn builder(limits: &Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.idle).max_buf_size(CONNECTION_BUFFER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.http2_streams)
        .keep_alive_interval(Some(HTTP2_PING))
        .keep_alive_timeout(HTTP2_PING);
    builder
}

/// An error of accept is either of one connection, which is gone then, or of the process (out of descriptors), which
/// needs a moment.
async fn pause_after(error: &std::io::Error) {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        return;
    }
    tracing::error!(%error, "cannot accept a connection");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

struct Acceptor {
    router: Router,
    state: AppState,
    tls: Option<TlsAcceptor>,
    builder: Arc<Builder<TokioExecutor>>,
    handshake: Duration,
    first_request: Duration,
    linger: Linger,
    /// Ends all connections at once.
    cut: CancellationToken,
}

impl Acceptor {
    /// Serves one connection in a task of its own.
    fn spawn(&self, stream: TcpStream, address: SocketAddr, place: OwnedSemaphorePermit, watcher: Watcher) {
        let connection = Connection {
            router: self.router.clone(),
            builder: Arc::clone(&self.builder),
            peer: PeerAddress(address),
            over_tls: OverTls(self.tls.is_some()),
            watcher,
            first_request: self.first_request,
            linger: self.linger,
        };
        let (tls, handshake, state) = (self.tls.clone(), self.handshake, self.state.clone());
        let cut = self.cut.clone();
        tokio::spawn(async move {
            let open = state.metrics().connection_opened();
            // An answer is a few small writes; waiting to fill a packet would only delay the last one.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "cannot set TCP_NODELAY");
            }
            let serving = async {
                let Some(tls) = tls else {
                    return connection.serve(stream).await;
                };
                match tokio::time::timeout(handshake, tls.accept(stream)).await {
                    Ok(Ok(stream)) => connection.serve(stream).await,
                    Ok(Err(error)) => tracing::debug!(%address, %error, "TLS handshake failed"),
                    Err(_) => tracing::debug!(%address, "TLS handshake took too long"),
                }
            };
            tokio::select! {
                () = serving => {}
                () = cut.cancelled() => {}
            }
            drop((open, place));
        });
    }
}

struct Connection {
    router: Router,
    builder: Arc<Builder<TokioExecutor>>,
    peer: PeerAddress,
    over_tls: OverTls,
    watcher: Watcher,
    first_request: Duration,
    linger: Linger,
}

impl Connection {
    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let (peer, over_tls, linger) = (self.peer, self.over_tls, self.linger);
        let has_begun = CancellationToken::new();
        let begun = has_begun.clone();
        let service = self.router.map_request(move |mut request: http::Request<Incoming>| {
            begun.cancel();
            request.extensions_mut().insert(peer);
            request.extensions_mut().insert(over_tls);
            linger.on(request)
        });
        let connection = self.builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        // hyper's timers begin with the protocol, which it tells by the first bytes: they may never come.
        let silence = async {
            match tokio::time::timeout(self.first_request, has_begun.cancelled()).await {
                Ok(()) => std::future::pending().await,
                Err(elapsed) => elapsed,
            }
        };
        tokio::select! {
            ended = self.watcher.watch(connection.into_owned()) => {
                if let Err(error) = ended {
                    tracing::debug!(address = %peer.0, %error, "a connection ended early");
                }
            }
            _ = silence => tracing::debug!(address = %peer.0, "a connection without a request is closed"),
        }
    }
}
