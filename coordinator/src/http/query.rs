//! Query parameters and parts of paths, with errors that name them.

use std::collections::HashMap;
use std::str::FromStr;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use pinaivu_openai::ApiError;
use serde::de::DeserializeOwned;

use super::routes::Failure;

/// Elements of a page unless a request says otherwise, and at most.
const DEFAULT_LIMIT: usize = 25;
const MAX_LIMIT: usize = 100;

/// The variable parts of a path. What is not UTF-8 there is refused as any other value is.
pub(super) struct PathParts<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for PathParts<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let read: Result<Path<T>, PathRejection> = Path::from_request_parts(parts, state).await;
        let expected = "UTF-8, percent-encoded where it has to be";
        let Path(read) = read.map_err(|_| ApiError::invalid_value("path", expected))?;
        Ok(Self(read))
    }
}

/// A request's query parameters.
pub(super) struct Parameters(HashMap<String, String>);

/// As axum extracts them.
pub(super) type Extracted = Result<Query<HashMap<String, String>>, QueryRejection>;

impl Parameters {
    /// Those that were given; refused when there are others than `known`, so that nobody takes a
    /// misspelt filter for one that matched.
    pub(super) fn read(extracted: Extracted, known: &[&'static str]) -> Result<Self, ApiError> {
        let Query(given) =
            extracted.map_err(|_| ApiError::invalid_value("query", "name=value pairs"))?;
        if let Some(name) = given.keys().find(|name| !known.contains(&name.as_str())) {
            let expected = format!("one of {}", known.join(", "));
            return Err(ApiError::invalid_value(name.clone(), &expected));
        }
        Ok(Self(given))
    }

    /// A parameter's value, when it is given and not empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// The same as a value of some type.
    pub(super) fn value<T: FromStr>(
        &self,
        name: &'static str,
        expected: &str,
    ) -> Result<Option<T>, ApiError> {
        self.text(name)
            .map(|text| text.parse().map_err(|_| ApiError::invalid_value(name, expected)))
            .transpose()
    }

    /// How many elements a page has.
    pub(super) fn limit(&self) -> Result<usize, ApiError> {
        let expected = "a number from 1 to 100";
        match self.value("limit", expected)? {
            None => Ok(DEFAULT_LIMIT),
            Some(limit) if (1..=MAX_LIMIT).contains(&limit) => Ok(limit),
            Some(_) => Err(ApiError::invalid_value("limit", expected)),
        }
    }
}
