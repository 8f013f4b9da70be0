//! What becomes of a request's body that its handler did not read to the end.
//!
//! A connection that is closed while its client still sends is reset, and the reset throws away the answer that the
//! client has not read yet: a refusal would look like a broken connection. So the rest is read and thrown away, while
//! the answer is already on its way, for a time that is bounded. Nothing of it is kept in memory, and what it says is
//! never looked at.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Version, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::runtime::Handle;

/// How long the rest of a body is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Linger {
    /// The longest silence.
    pub(crate) silence: Duration,
    /// The longest time in all.
    pub(crate) total: Duration,
}

impl Linger {
    /// Gives the request a body whose rest is read when the handler drops it. Only in HTTP/1, where a body cannot be
    /// refused by itself, and not if the client waits for permission to send it (RFC 9110, 10.1.1): it need not send.
    pub(crate) fn on<B>(self, request: Request<B>) -> Request<axum::body::Body>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<axum::BoxError> + Send,
    {
        let is_sent_anyway = request.version() < Version::HTTP_2 && !request.headers().contains_key(header::EXPECT);
        if is_sent_anyway && !request.body().is_end_stream() {
            request.map(|body| axum::body::Body::new(LingeringBody { body: Some(body), linger: self }))
        } else {
            request.map(axum::body::Body::new)
        }
    }

    async fn discard<B: Body + Unpin>(self, mut body: B) {
        let rest = async { while let Ok(Some(Ok(_))) = tokio::time::timeout(self.silence, body.frame()).await {} };
        // A client that sends for longer is cut off, answer or not.
        let _ = tokio::time::timeout(self.total, rest).await;
    }
}

/// A body that is read to its end even if its reader loses interest.
struct LingeringBody<B>
where
    B: Body + Send + Unpin + 'static,
{
    /// None as soon as nothing more can come.
    body: Option<B>,
    linger: Linger,
}

impl<B> Body for LingeringBody<B>
where
    B: Body + Send + Unpin + 'static,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(context));
        if !matches!(frame, Some(Ok(_))) {
            self.body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl<B> Drop for LingeringBody<B>
where
    B: Body + Send + Unpin + 'static,
{
    fn drop(&mut self) {
        let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) else { return };
        // Without a runtime the server is gone, and its connections with it.
        if let Ok(runtime) = Handle::try_current() {
            let linger = self.linger;
            runtime.spawn(async move { linger.discard(body).await });
        }
    }
}
