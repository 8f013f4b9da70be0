//! Arrow Flight SQL over gRPC, on the port of HTTP (wire-api section 4).
//!
//! ```text
//! call ── codec (framing by tonic) ── session (who, which database)
//!   GetFlightInfo, GetSchema   commands → the columns of the answer, and a ticket that is the command itself
//!   DoGet                      commands → session (SQL, InfluxQL) | metadata → encode → messages
//!   DoAction, DoPut            prepared statements: a handle holds the statement and its values
//! ```
//!
//! Nothing is kept between two calls: tickets and handles say all that is needed, and whoever shows one must be allowed
//! to ask what it says. What arrives is bounded in size and time, what leaves is bounded by the query engine and the
//! client's reading. gRPC's framing, statuses and limits are tonic's; its own server and client are not used, and the
//! few messages of Flight are read and written in `wire`.

mod arguments;
mod codec;
mod commands;
mod encode;
mod metadata;
mod session;
mod sql_info;
mod type_info;
mod wire;

use std::collections::VecDeque;

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use http::header;
use tonic::{Status, Streaming};

pub(crate) use self::wire::WireError;

use self::codec::BytesCodec;
use self::commands::{Command, Query, any, handle, open_any, unsupported};
use self::encode::{Encoder, plain_schema, schema_bytes};
use self::session::{Rows, Session};
use self::wire::Message;
use crate::api_error::{ApiError, ApiResult, Code};
use crate::limits::{FLIGHT_PARAMETER_BYTES, FLIGHT_REQUEST_BYTES};
use crate::serve::PeerAddress;
use crate::state::AppState;

/// The messages of an answer.
type Messages = BoxStream<'static, Result<Bytes, Status>>;

/// One call of the service, by the name of its method.
pub(crate) async fn call(State(state): State<AppState>, Path(method): Path<String>, request: Request) -> Response {
    let content_type = request.headers().get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    if !content_type.starts_with(b"application/grpc") {
        return ApiError::new(Code::UnsupportedMediaType, "this path speaks gRPC only").into_response();
    }
    let headers = request.headers().clone();
    let address = request.extensions().get::<PeerAddress>().map(|PeerAddress(address)| address.ip());
    let service = tower::service_fn(move |request: tonic::Request<Streaming<Bytes>>| {
        let (state, headers, method) = (state.clone(), headers.clone(), method.clone());
        async move {
            // Before anything is read, so that only who is known can make the server hold bytes.
            let session = Session::open(state, headers, address).await?;
            let incoming = Incoming::of(&session, request.into_inner())?;
            Ok::<_, Status>(answer(session, &method, incoming).await?)
        }
    });
    let mut grpc = tonic::server::Grpc::new(BytesCodec).max_decoding_message_size(FLIGHT_REQUEST_BYTES);
    grpc.streaming(service, request).await.map(axum::body::Body::new)
}

async fn answer(session: Session, method: &str, mut incoming: Incoming) -> ApiResult<tonic::Response<Messages>> {
    let messages = match method {
        "Handshake" => return handshake(&session, incoming).await,
        "GetFlightInfo" => one(flight_info(&session, &incoming.only().await?).await?),
        "GetSchema" => {
            let (_, command) = described(&incoming.only().await?)?;
            one(Message::new().bytes(1, &answer_schema(&session, &command).await?))
        }
        "DoGet" => {
            let ticket = incoming.only().await?;
            let command = Command::parse(wire::bytes(&ticket, 1)?.unwrap_or_default())?;
            // What the call sent is of no use any more.
            drop(incoming);
            let rows = metadata::rows(&session, &command).await?;
            data(session.state, rows)
        }
        "DoPut" => one(bind(&session, incoming).await?),
        "DoAction" => act(&session, &incoming.only().await?).await?,
        "ListActions" => {
            let action = |(name, about): (&str, &str)| {
                Ok(Message::new().bytes(1, name.as_bytes()).bytes(2, about.as_bytes()).into_bytes())
            };
            stream::iter(ACTIONS.map(action)).boxed()
        }
        other => return Err(unsupported(other)),
    };
    Ok(tonic::Response::new(messages))
}

/// An answer of one message.
fn one(message: Message) -> Messages {
    stream::iter([Ok(message.into_bytes())]).boxed()
}

/// Gives the payload back, and says how the calls that follow show who they are.
async fn handshake(session: &Session, mut incoming: Incoming) -> ApiResult<tonic::Response<Messages>> {
    let payload = match incoming.next().await? {
        Some(request) => wire::bytes(&request, 2)?.unwrap_or_default().to_vec(),
        None => Vec::new(),
    };
    let mut response = tonic::Response::new(one(Message::new().bytes(2, &payload)));
    let value = session.bearer().parse().map_err(|_| ApiError::invalid("the authorization is not ASCII"))?;
    response.metadata_mut().insert("authorization", value);
    Ok(response)
}

/// The command of a descriptor, as it came and as it is understood.
fn described(descriptor: &[u8]) -> ApiResult<(&[u8], Command)> {
    let missing = || ApiError::invalid("the descriptor has no command; paths are not supported");
    let command = wire::bytes(descriptor, 2)?.filter(|command| !command.is_empty()).ok_or_else(missing)?;
    Ok((command, Command::parse(command)?))
}

/// The columns of the answer to a command.
async fn answer_schema(session: &Session, command: &Command) -> ApiResult<Vec<u8>> {
    let schema = match (metadata::schema(command), command) {
        (Some(schema), _) => schema,
        // Known when it is run: clients read the columns of the answer itself.
        (None, Command::Query(query)) if query.is_influxql => return Ok(Vec::new()),
        (None, Command::Query(query)) => plain_schema(&session.describe(query).await?.schema),
        (None, _) => return Err(ApiError::internal("a command without columns")),
    };
    schema_bytes(&schema).map_err(ApiError::internal)
}

/// Where the answer to a command can be had: here, by the command itself.
async fn flight_info(session: &Session, descriptor: &[u8]) -> ApiResult<Message> {
    /// Nobody knows how many rows and bytes there will be.
    const UNKNOWN: u64 = -1_i64 as u64;
    let (bytes, command) = described(descriptor)?;
    let schema = answer_schema(session, &command).await?;
    let ticket = Message::new().bytes(1, bytes);
    let endpoint = Message::new().bytes(1, ticket.as_ref());
    let info = Message::new().bytes(1, &schema).bytes(2, descriptor).bytes(3, endpoint.as_ref());
    Ok(info.number(4, UNKNOWN).number(5, UNKNOWN))
}

/// What `DoAction` can do, and what is said of it.
const ACTIONS: [(&str, &str); 2] = [
    ("CreatePreparedStatement", "Plans a statement; answers its handle, its columns and its parameters."),
    ("ClosePreparedStatement", "Ends the use of a handle."),
];

async fn act(session: &Session, action: &[u8]) -> ApiResult<Messages> {
    let name = wire::text(action, 1)?.unwrap_or_default();
    match name.as_str() {
        "CreatePreparedStatement" => {
            let (_, request) = open_any(wire::bytes(action, 2)?.unwrap_or_default())?;
            let query = Query { text: wire::text(request, 1)?.unwrap_or_default(), ..Query::default() };
            let description = session.describe(&query).await?;
            let encode = |schema| schema_bytes(&plain_schema(schema)).map_err(ApiError::internal);
            let result = Message::new()
                .bytes(1, query.handle().as_ref())
                .bytes(2, &encode(&description.schema)?)
                .bytes(3, &encode(&description.parameters)?);
            Ok(one(Message::new().bytes(1, any("ActionCreatePreparedStatementResult", &result).as_ref())))
        }
        // Nothing is kept for a handle.
        "ClosePreparedStatement" => Ok(stream::empty().boxed()),
        other => Err(unsupported(other)),
    }
}

/// Binds values to a prepared statement: answers a handle that has them.
async fn bind(session: &Session, mut incoming: Incoming) -> ApiResult<Message> {
    let first = incoming.next().await?.ok_or_else(|| ApiError::invalid("nothing was put"))?;
    let descriptor = wire::bytes(&first, 1)?.unwrap_or_default();
    let (name, message) = open_any(wire::bytes(descriptor, 2)?.unwrap_or_default())?;
    if name != "CommandPreparedStatementQuery" {
        return Err(unsupported(&name));
    }
    let mut query = Query::of_handle(handle(message)?)?;
    let mut size_bytes = first.len();
    let mut messages = vec![first.to_vec()];
    while let Some(next) = incoming.next().await? {
        size_bytes += next.len();
        if size_bytes > FLIGHT_PARAMETER_BYTES {
            let message = format!("the parameters are larger than {FLIGHT_PARAMETER_BYTES} bytes");
            return Err(ApiError::new(Code::RequestTooLarge, message));
        }
        messages.push(next.to_vec());
    }
    query.arguments = arguments::stream_of(messages)?;
    // What cannot be run is said now.
    session.describe(&query).await?;
    let result = Message::new().bytes(1, query.handle().as_ref());
    Ok(Message::new().bytes(1, result.as_ref()))
}

/// The messages of a call, as they come.
struct Incoming {
    messages: Streaming<Bytes>,
    stall: std::time::Duration,
    _room: crate::budget::ByteReservation,
}

impl Incoming {
    fn of(session: &Session, messages: Streaming<Bytes>) -> ApiResult<Self> {
        let bodies = session.state.bodies();
        let room = bodies.room_for(FLIGHT_REQUEST_BYTES as u64)?;
        Ok(Self { messages, stall: bodies.stall(), _room: room })
    }

    async fn next(&mut self) -> ApiResult<Option<Bytes>> {
        match tokio::time::timeout(self.stall, self.messages.message()).await {
            Ok(Ok(message)) => Ok(message),
            Ok(Err(status)) => Err(ApiError::invalid(status.message())),
            Err(_) => Err(crate::body::BodyError::Stalled(self.stall).into()),
        }
    }

    /// The message of a call that has one.
    async fn only(&mut self) -> ApiResult<Bytes> {
        self.next().await?.ok_or_else(|| ApiError::invalid("the call has no message"))
    }
}

/// Rows on their way out.
struct Outgoing {
    state: AppState,
    /// `None` once the answer has ended or failed.
    encoder: Option<Encoder>,
    rows: Rows,
    ready: VecDeque<Bytes>,
}

/// The messages of rows: the columns, then the batches, each made when the client wants it.
fn data(state: AppState, rows: Rows) -> Messages {
    let (encoder, first) = Encoder::new(&rows.schema);
    let outgoing = Outgoing { state, encoder: Some(encoder), rows, ready: VecDeque::from([first]) };
    stream::unfold(outgoing, |mut outgoing| async move {
        let next = outgoing.next().await.transpose()?;
        Some((next.map_err(Status::from), outgoing))
    })
    .boxed()
}

impl Outgoing {
    async fn next(&mut self) -> ApiResult<Option<Bytes>> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Ok(Some(message));
            }
            let Some(mut encoder) = self.encoder.take() else { return Ok(None) };
            let Some(batch) = self.rows.batches.next().await else { return Ok(None) };
            let batch = batch?;
            let work = move || encoder.batch(&batch).map(|messages| (encoder, messages));
            let encoded = self.state.formatter().cpu.run(work).await?;
            let (encoder, messages) = encoded.map_err(crate::format::EncodeError::Arrow)?;
            self.encoder = Some(encoder);
            self.ready = messages.into();
        }
    }
}
