//! `freshet serve`: opens the data directory, serves until a signal comes, and closes everything in order.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;

use ::query::{QueryEngine, QueryOptions};
use ::server::{AppState, Limits, ServeConfig, ServeError, ServerOptions, TlsFiles, UdpConfig};
use catalog::database::PostgresDatabase;
use catalog::{Catalog, Clock, SecretKey, SecretKeyError, SystemClock};
use storage::{Engine, EngineOptions, FlushFailure, OpenError, Precision, RetentionSource, SchemaLimits, StoreAddress};
use tokio::net::{TcpListener, UdpSocket};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::data_directory::{self, DataDirectoryError};
use crate::initial_setup::{self, InitialSetupError};
use crate::logging::{self, LogFilterError};
use crate::memory::{MemoryBudget, MemoryError};
use crate::options::{Mode, ServeOptions};
use crate::retention::BucketRetention;

/// Exit code after a second signal: what a shell reports for a process that SIGINT ended.
const FORCED_EXIT_CODE: i32 = 130;

/// Queries that may wait for others: each holds its snapshot and text, so a few kilobytes.
const WAITING_QUERIES: usize = 256;

/// Why the server did not start, or did not stop as it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeCommandError {
    #[error(transparent)]
    LogFilter(#[from] LogFilterError),
    #[error(transparent)]
    Memory(#[from] MemoryError),
    #[error("cannot listen on {address}: {source}")]
    Bind { address: SocketAddr, source: std::io::Error },
    #[error("cannot listen to signals: {0}")]
    Signals(#[source] std::io::Error),
    #[error("cannot use the directory {}: {source}", path.display())]
    Directory { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    CatalogLocation(#[from] catalog::database::LocationError),
    #[error(transparent)]
    DataDirectory(#[from] DataDirectoryError),
    #[error(transparent)]
    Engine(#[from] storage::OpenError),
    #[error(transparent)]
    Catalog(#[from] catalog::OpenError),
    #[error(transparent)]
    SecretKey(#[from] catalog::SecretKeyError),
    #[error(transparent)]
    QueryEngine(#[from] ::query::EngineError),
    #[error(transparent)]
    InitialSetup(#[from] InitialSetupError),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error(
        "not all points could be written into files; they are in the write-ahead log, and the next start reads it: {0}"
    )]
    Flush(#[from] FlushFailure),
}

/// Runs the server to its end.
pub(crate) async fn run(mut options: Box<ServeOptions>) -> Result<(), ServeCommandError> {
    logging::start(&options.log_level, options.log_format)?;
    // Before anything that takes time, so that a signal always leads to an orderly end.
    let stop = watch_signals()?;
    let budget = MemoryBudget::new(options.memory_limit)?;
    let database = options.catalog.as_deref().map(PostgresDatabase::parse).transpose()?;
    let data_dir = prepare_directory(&options.data_dir)?;
    let directory_id = data_directory::check(&data_dir, database.is_some())?;
    let tls = options.tls_cert.clone().zip(options.tls_key.clone());
    let tls = tls.map(|(certificate, key)| TlsFiles { certificate, key });
    // Who waits for the line that says where the server listens must not read it from one that ends at once.
    tls.as_ref().map(TlsFiles::check).transpose().map_err(ServeError::from)?;
    let address = options.http_bind;
    let bind_error = |source| ServeCommandError::Bind { address, source };
    let listener = TcpListener::bind(address).await.map_err(bind_error)?;
    let address = listener.local_addr().map_err(bind_error)?;
    let datagrams = bind_datagrams(&options).await?;

    // The engine's lock guards the whole directory, so it comes first.
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let retention = Arc::new(BucketRetention::default());
    let source = Arc::clone(&retention) as Arc<dyn RetentionSource>;
    let engine_options = EngineOptions {
        catalog: database.as_ref().map(|database| database.lake(&directory_id)),
        ..engine_options(&options, &data_dir, budget, Arc::clone(&clock), source)?
    };
    let engine = Engine::open(engine_options).await?;
    let resources = data_directory::resources(&data_dir, database.as_ref(), &directory_id);
    let catalog = Catalog::open_at(&resources, Arc::clone(&clock)).await?;
    retention.set(catalog.clone());
    let query = open_query_engine(&options, &data_dir, budget)?;
    let server_options = server_options(&options, &data_dir, budget, clock)?;
    initial_setup::run(&catalog, std::mem::take(&mut options.init)).await?;
    let state = AppState::new(catalog.clone(), engine.clone(), query, server_options);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        data_dir = %data_dir.display(),
        object_store = options.object_store.as_ref().map(tracing::field::display),
        catalog = database.as_ref().map_or_else(|| "SQLite".to_owned(), ToString::to_string),
        memory_limit_mib = budget.total_bytes >> 20,
        %address,
        tls = tls.is_some(),
        "the server starts"
    );
    announce(address, tls.is_some());
    let datagrams = datagrams.map(|config| Datagrams::start(config, state.clone()));
    let served = ::server::serve(ServeConfig { listener, tls }, state, stop).await;
    if let Some(datagrams) = datagrams {
        datagrams.end().await;
    }
    let flushed = engine.close().await;
    catalog.close().await;
    served?;
    flushed?;
    tracing::info!("the server has stopped");
    Ok(())
}

fn server_options(
    options: &ServeOptions,
    data_dir: &Path,
    budget: MemoryBudget,
    clock: Arc<dyn Clock>,
) -> Result<ServerOptions, SecretKeyError> {
    Ok(ServerOptions {
        mode: match options.mode {
            Mode::Oss => ::server::Mode::Oss,
            Mode::Cloud => ::server::Mode::Cloud,
        },
        limits: Limits {
            body_stall: options.body_stall,
            drain: options.drain,
            ..Limits::for_memory(budget.total_bytes)
        },
        clock,
        auto_create_buckets: options.auto_create_buckets,
        secret_key: secret_key(options, data_dir)?,
        settings: settings(options, data_dir),
        commit: option_env!("FRESHET_COMMIT").unwrap_or("unknown").to_owned(),
    })
}

/// The receiver of datagrams.
struct Datagrams {
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

impl Datagrams {
    fn start(config: UdpConfig, state: AppState) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async move {
            // Dropped or sent to, it means the same.
            let _ = stopped.await;
        };
        Self { stop, task: tokio::spawn(::server::receive_datagrams(config, state, stopped)) }
    }

    /// Waits until what has come is written.
    async fn end(self) {
        drop(self.stop);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the receiver of datagrams failed");
        }
    }
}

/// The socket for datagrams, if they are wanted.
async fn bind_datagrams(options: &ServeOptions) -> Result<Option<UdpConfig>, ServeCommandError> {
    let Some((address, bucket)) = options.udp_bind_address.zip(options.udp_bucket.clone()) else { return Ok(None) };
    let bind_error = |source| ServeCommandError::Bind { address, source };
    let socket = UdpSocket::bind(address).await.map_err(bind_error)?;
    let local = socket.local_addr().map_err(bind_error)?;
    tracing::info!(address = %local, bucket, "listening for datagrams");
    let precision = match options.udp_precision {
        freshet_client::Precision::Nanoseconds => Precision::Nanosecond,
        freshet_client::Precision::Microseconds => Precision::Microsecond,
        freshet_client::Precision::Milliseconds => Precision::Millisecond,
        freshet_client::Precision::Seconds => Precision::Second,
    };
    Ok(Some(UdpConfig { socket, organisation: options.udp_org.clone(), bucket, precision }))
}

/// What the secrets of organisations are encrypted with: the option, otherwise the file beside the data.
fn secret_key(options: &ServeOptions, data_dir: &Path) -> Result<SecretKey, SecretKeyError> {
    match &options.secret_key {
        Some(key) => SecretKey::from_hex(key),
        None => SecretKey::open_file(&data_dir.join("secret.key")),
    }
}

/// What operators may see of the options over HTTP. Addresses that may hold a password are not among them.
fn settings(options: &ServeOptions, data_dir: &Path) -> Vec<(String, String)> {
    let pairs: [(&str, String); 9] = [
        ("data-dir", data_dir.display().to_string()),
        ("http-bind", options.http_bind.to_string()),
        ("mode", format!("{:?}", options.mode).to_lowercase()),
        ("flush-age", format!("{:?}", options.flush_age)),
        ("keep-snapshots", format!("{:?}", options.keep_snapshots)),
        ("compactions", options.compactions.to_string()),
        ("query-timeout", format!("{:?}", options.query_timeout)),
        ("auto-create-buckets", options.auto_create_buckets.to_string()),
        ("log-level", options.log_level.to_string()),
    ];
    pairs.map(|(name, value)| (name.to_owned(), value)).into()
}

/// The directory as an absolute path: outside readers find the files by it.
fn prepare_directory(path: &Path) -> Result<PathBuf, ServeCommandError> {
    let directory_error = |source| ServeCommandError::Directory { path: path.to_owned(), source };
    let is_new = !path.exists();
    std::fs::create_dir_all(path).map_err(directory_error)?;
    if is_new {
        make_private(path).map_err(directory_error)?;
    }
    path.canonicalize().map_err(directory_error)
}

/// Points and password hashes are nobody else's business.
fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))
}

fn engine_options(
    options: &ServeOptions,
    data_dir: &Path,
    budget: MemoryBudget,
    clock: Arc<dyn Clock>,
    retention: Arc<dyn RetentionSource>,
) -> Result<EngineOptions, ServeCommandError> {
    let store = options.object_store.as_ref().map(StoreAddress::open).transpose().map_err(OpenError::from)?;
    Ok(EngineOptions {
        store,
        files_were_moved: options.object_store_moved,
        flush_table_bytes: options.flush_table_bytes.0,
        flush_age: options.flush_age,
        compactions: usize::from(options.compactions),
        keep_snapshots: options.keep_snapshots,
        retention,
        schema_limits: SchemaLimits {
            tables_per_bucket: options.max_measurements_per_bucket as usize,
            columns_per_table: options.max_columns_per_measurement as usize,
        },
        ..EngineOptions::new(data_dir, budget.total_bytes, clock)
    })
}

fn open_query_engine(
    options: &ServeOptions,
    data_dir: &Path,
    budget: MemoryBudget,
) -> Result<QueryEngine, ServeCommandError> {
    let spill_dir = data_dir.join("spill");
    // What a killed process left there; the engine's lock says that nobody else uses it.
    match std::fs::remove_dir_all(&spill_dir) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            return Err(ServeCommandError::Directory { path: spill_dir, source });
        }
        _ => {}
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(QueryEngine::new(QueryOptions {
        memory_limit_bytes: budget.query_bytes,
        spill_dir,
        spill_limit_bytes: options.query_spill_limit.0,
        threads: cores,
        // One per core keeps the cores busy; a few more keep a long query from holding up the short ones.
        running: cores.max(2) * 2,
        waiting: WAITING_QUERIES,
        timeout: options.query_timeout,
    })?)
}

/// Says where the server listens: one line on standard output, for people and for programs that chose port 0.
fn announce(address: SocketAddr, tls: bool) {
    let scheme = if tls { "https" } else { "http" };
    let mut output = std::io::stdout().lock();
    let written = writeln!(output, "listening on {scheme}://{address}").and_then(|()| output.flush());
    if let Err(error) = written {
        tracing::warn!(%error, "cannot write to standard output");
    }
}

/// A future that is ready with the first SIGTERM or SIGINT. The second one ends the process at once.
fn watch_signals() -> Result<impl Future<Output = ()> + Send, ServeCommandError> {
    let listen = |kind| signal(kind).map_err(ServeCommandError::Signals);
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    let (sender, stop) = oneshot::channel::<()>();
    tokio::spawn(async move {
        let signal = either(&mut terminate, &mut interrupt).await;
        tracing::info!(signal, "stopping");
        // If nobody listens the server is at its end already.
        let _ = sender.send(());
        let signal = either(&mut terminate, &mut interrupt).await;
        tracing::warn!(signal, "stopping at once");
        process::exit(FORCED_EXIT_CODE);
    });
    Ok(async move {
        // The sender is dropped only when the runtime goes down, which means the same.
        let _ = stop.await;
    })
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}
