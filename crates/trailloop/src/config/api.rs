//! The part of the configuration that says where the API is answered, and to whom.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::Reader;

/// Where the API is answered.
#[derive(Clone, Debug)]
pub(crate) struct ApiConfig {
    pub(crate) listen: SocketAddr,
    pub(crate) token_file: PathBuf,
}

impl Reader<'_> {
    pub(super) fn api(&mut self) -> Option<ApiConfig> {
        let listen = self.address("api.listen");
        let token_file = self.text("api.token_file").map(PathBuf::from);
        match (listen, token_file) {
            (Some(listen), Some(token_file)) => Some(ApiConfig { listen, token_file }),
            (None, None) => None,
            (Some(_), None) => self.alone("api.listen", "api.token_file"),
            (None, Some(_)) => self.alone("api.token_file", "api.listen"),
        }
    }

    fn alone(&mut self, there: &'static str, missing: &'static str) -> Option<ApiConfig> {
        // An address that is none has been complained of.
        if self.text(missing).is_none() {
            let place = self.place(there);
            self.problems.push(format!("{place}: {there} needs {missing} as well"));
        }
        None
    }

    /// An address and a port.
    pub(super) fn address(&mut self, name: &'static str) -> Option<SocketAddr> {
        let text = self.text(name)?;
        let parsed = text.parse();
        if parsed.is_err() {
            let place = self.place(name);
            self.problems.push(format!(
                "{place}: {name} is {text:?}; write an address and a port, such as 127.0.0.1:8741"
            ));
        }
        parsed.ok()
    }
}
