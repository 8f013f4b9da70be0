//! `GET /api/v2/me`: the user behind the token or session; clients use it to test a token.

use axum::extract::State;

use super::users::UserJson;
use crate::api_error::ApiResult;
use crate::auth::Authenticated;
use crate::json::Json;
use crate::state::AppState;

/// Everybody may ask who they are.
pub(super) async fn me(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
) -> ApiResult<Json<UserJson>> {
    Ok(Json(UserJson::new(&*state.catalog().find_user(principal.user_id)?)))
}
