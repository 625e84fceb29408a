//! The options of `preflane losses`, and those of every command that come from the list of losses: names and parameters.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, value_parser};
use preflane::Error;
use preflane::losses::{self, Description, LOSSES, Parameter};

use crate::failure::{Failure, name_list};

/// The options of `preflane losses`.
#[derive(Debug, Args)]
pub struct Losses {
    /// Losses by name or alias [default: all]
    #[arg(value_name = "NAME", value_parser = by_name(), hide_possible_values = true, ignore_case = true)]
    pub names: Vec<&'static Description>,

    /// Print one JSON array of objects
    #[arg(long)]
    pub json: bool,

    /// Print the page of the documentation
    #[arg(long, conflicts_with = "json")]
    pub markdown: bool,

    /// Print what trainers mean by the names of losses: the conventions of each --preset of `score`
    #[arg(long, conflicts_with_all = ["json", "markdown", "names"])]
    pub presets: bool,

    /// Print one sheet as SVG: of every loss its value and its slope against the margin
    #[cfg(feature = "judge")]
    #[arg(long, conflicts_with_all = ["json", "markdown", "presets", "names"])]
    pub picture: bool,
}

/// A loss by one of its names; `-` is as good as `_`.
pub fn by_name() -> impl TypedValueParser<Value = &'static Description> {
    let value = |loss: &Description| {
        let names = [loss.name].into_iter().chain(loss.aliases.iter().copied());
        let others = names.clone().map(|name| name.replace('_', "-"));
        let aliases = names.map(str::to_owned).chain(others).filter(|name| *name != loss.name);
        PossibleValue::new(loss.name).aliases(aliases).help(loss.formula)
    };
    let values: Vec<_> = LOSSES.iter().copied().map(value).collect();
    PossibleValuesParser::new(values).map(|name| losses::find(&name).expect("the parser lets no other name through"))
}

/// The kinds of parameters of some losses, each once: a name may mean different things to different losses.
pub fn kinds<'l>(losses: impl IntoIterator<Item = &'l &'static Description>) -> Vec<&'static Parameter> {
    let mut all: Vec<&Parameter> = Vec::new();
    for parameter in losses.into_iter().flat_map(|loss| loss.parameters) {
        if !all.contains(&parameter) {
            all.push(parameter);
        }
    }
    all.sort_by_key(|parameter| parameters(LOSSES).iter().position(|other| other.name == parameter.name));
    all
}

/// The parameters of some losses, each name once.
pub fn parameters<'l>(losses: impl IntoIterator<Item = &'l &'static Description>) -> Vec<&'static Parameter> {
    let mut all: Vec<&Parameter> = Vec::new();
    for parameter in losses.into_iter().flat_map(|loss| loss.parameters) {
        if all.iter().all(|other| other.name != parameter.name) {
            all.push(parameter);
        }
    }
    all
}

/// The option that sets a parameter.
pub fn option(parameter: &Parameter) -> String {
    format!("--{}", parameter.name.replace('_', "-"))
}

/// The losses that have a parameter of the same kind.
pub fn losses_of(parameter: &Parameter) -> String {
    losses_that(|other| other == parameter).collect::<Vec<_>>().join(", ")
}

/// The first of the losses that have a parameter of the same kind, and how many more have.
fn some_losses_of(parameter: &Parameter) -> String {
    name_list(losses_that(|other| other == parameter))
}

/// The first of the losses that have a parameter of that name, and how many more have.
fn losses_with(parameter: &Parameter) -> String {
    name_list(losses_that(|other| other.name == parameter.name))
}

fn losses_that(is_wanted: impl Fn(&Parameter) -> bool) -> impl Iterator<Item = &'static str> {
    LOSSES.iter().filter(move |loss| loss.parameters.iter().any(&is_wanted)).map(|loss| loss.name)
}

/// The parameters that were given: an option for each that some loss has.
#[derive(Debug, Default)]
pub struct Parameters(Vec<(&'static Parameter, f64)>);

impl Parameters {
    /// Gives a parameter another default.
    pub fn default_to(&mut self, parameter: &'static Parameter, default: f64) {
        if self.0.iter().all(|(other, _)| other.name != parameter.name) {
            self.0.push((parameter, default));
        }
    }

    /// The parameters of a loss, in its order: those given, and the defaults of the others.
    ///
    /// # Errors
    /// One that the loss does not have, or that is outside its range.
    pub fn of(&self, loss: &Description) -> Result<Vec<f64>, Failure> {
        let fail = |message: String| Err(Failure::new(format!("--loss {}: {message}", loss.name)));
        let has = |name: &str| loss.parameters.iter().any(|parameter| parameter.name == name);
        if let Some((parameter, _)) = self.0.iter().find(|(parameter, _)| !has(parameter.name)) {
            let (given, of) = (option(parameter), losses_with(parameter));
            let there = match loss.parameters {
                [] => "no parameters".to_owned(),
                some => some.iter().map(option).collect::<Vec<_>>().join(", "),
            };
            return fail(format!("has no {given}, which belongs to {of}; {} has {there}", loss.name));
        }
        self.of_term(loss).or_else(|e| fail(e.to_string()))
    }

    /// Those of a loss that is one term of several.
    ///
    /// # Errors
    /// One outside its range.
    pub fn of_term(&self, loss: &Description) -> Result<Vec<f64>, Error> {
        let value = |parameter: &Parameter| {
            let given = self.0.iter().find(|(other, _)| other.name == parameter.name);
            parameter.check(given.map_or(parameter.default, |(_, value)| *value))
        };
        loss.parameters.iter().map(value).collect()
    }
}

impl FromArgMatches for Parameters {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut parameters = Self::default();
        parameters.update_from_arg_matches(matches)?;
        Ok(parameters)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for parameter in parameters(LOSSES) {
            let value = matches.try_get_one::<f64>(parameter.name);
            if let Some(value) = value.map_err(|e| clap::Error::raw(ErrorKind::InvalidValue, e))? {
                self.0.push((parameter, *value));
            }
        }
        Ok(())
    }
}

impl Args for Parameters {
    fn augment_args(command: Command) -> Command {
        let arg = |parameter: &Parameter| {
            let name = parameter.name;
            let of_name = kinds(LOSSES).into_iter().filter(|kind| kind.name == name);
            let told = of_name.map(|kind| {
                let Parameter { meaning, requirement, default, .. } = kind;
                let mut letters = meaning.chars();
                let meaning: String =
                    letters.next().map(|c| c.to_ascii_uppercase()).into_iter().chain(letters).collect();
                format!("{meaning}; {requirement} ({}) [default: {default}]", some_losses_of(kind))
            });
            Arg::new(name)
                .long(name.replace('_', "-"))
                .value_name("X")
                .help(told.collect::<Vec<_>>().join(". "))
                .value_parser(value_parser!(f64))
                .allow_negative_numbers(true)
                .help_heading("Parameters of losses")
        };
        command.args(parameters(LOSSES).into_iter().map(arg))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}
