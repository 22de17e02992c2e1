//! A plugin whose only dependency is goworker. Nothing of it is public, and nobody calls it by name: binaries link it by
//! `goworker::plugins![alone]`.

mod stamp {
    mod album {
        use goworker::{Context, Job, Level, Output, WorkResult, Worker, schemars, serde, worker};

        /// How a stamp is put on.
        #[derive(Debug, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
        #[serde(crate = "goworker::serde", rename_all = "lowercase")]
        #[schemars(crate = "goworker::schemars")]
        enum Glue {
            Gum,
            Hinge,
        }

        /// What is stamped.
        #[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
        #[serde(crate = "goworker::serde")]
        #[schemars(crate = "goworker::schemars")]
        struct Letter {
            /// Where it goes.
            to: String,
        }

        /// Puts a stamp on a letter.
        #[worker(params = Letter, since = "0.1.0", stability = experimental)]
        #[derive(Debug)]
        struct Stamp {
            /// What holds it.
            #[config(default = Glue::Gum)]
            glue: Glue,
        }

        impl Worker for Stamp {
            async fn work(&self, job: &Job, ctx: &Context) -> WorkResult {
                let Letter { to } = job.params()?;
                ctx.log(Level::DEBUG, &format!("a stamp for {to}"));
                Ok(Output::of(&(to, &self.glue))?)
            }
        }
    }
}

mod desk {
    use goworker::{serde, worker};

    /// What is sealed. Nobody can describe it: it has no schema.
    #[derive(Debug, serde::Deserialize)]
    #[serde(crate = "goworker::serde")]
    struct Envelope {
        from: String,
    }

    /// Seals an envelope.
    #[worker]
    fn seal(
        envelope: Envelope,
        /// What the wax looks like.
        #[config(default = "red")]
        wax: &str,
    ) -> String {
        format!("{} by {}", wax, envelope.from)
    }
}
