//! A router that knows its paths, so that the published document can be held against it.

use std::sync::Arc;

use axum::Router;
use axum::routing::MethodRouter;

use super::App;

/// Routes by path.
#[derive(Default)]
pub(super) struct Table {
    router: Router<Arc<App>>,
    paths: Vec<&'static str>,
}

impl Table {
    /// Adds a path.
    pub(super) fn route(mut self, path: &'static str, methods: MethodRouter<Arc<App>>) -> Self {
        self.paths.push(path);
        Self { router: self.router.route(path, methods), ..self }
    }

    /// Adds another table's paths.
    pub(super) fn merge(mut self, other: Self) -> Self {
        self.paths.extend(other.paths);
        Self { router: self.router.merge(other.router), ..self }
    }

    /// All paths, as axum writes them.
    pub(super) fn paths(&self) -> Vec<&'static str> {
        self.paths.clone()
    }

    /// The router of all paths.
    pub(super) fn into_router(self) -> Router<Arc<App>> {
        self.router
    }
}
