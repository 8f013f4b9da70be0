//! Changes of several steps, which must not end in the middle because the client goes away.

use tracing::Instrument as _;

use crate::api_error::{ApiError, ApiResult};

/// Runs `change` to its end, also when the request that wanted it is dropped meanwhile.
pub(crate) async fn uninterrupted<T: Send + 'static>(
    change: impl Future<Output = ApiResult<T>> + Send + 'static,
) -> ApiResult<T> {
    let task = tokio::spawn(change.in_current_span());
    task.await.unwrap_or_else(|error| Err(ApiError::internal(error)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_change_outlives_its_request() {
        let (proceed, wait) = oneshot::channel::<()>();
        let (sender, ended) = oneshot::channel();
        let mut request = Box::pin(uninterrupted(async move {
            let _ = wait.await;
            let _ = sender.send(7);
            Ok(())
        }));
        assert!(futures::poll!(&mut request).is_pending());
        drop(request);
        proceed.send(()).unwrap();
        assert_eq!(ended.await.unwrap(), 7);
    }

    #[tokio::test]
    async fn a_change_that_panics_is_an_internal_error() {
        let result: ApiResult<()> = uninterrupted(async { panic!("on purpose") }).await;
        assert_eq!(result.unwrap_err().code(), crate::api_error::Code::Internal);
    }
}
