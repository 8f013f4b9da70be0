//! The macro for enumerations that are single words on the wire and in SQL.

/// Defines an enumeration with `ALL`, `as_str`, `Display` and `FromStr`.
macro_rules! words {
    (
        $(#[$documentation:meta])*
        pub enum $name:ident, unknown is $unknown:ident {
            $($(#[$variant_documentation:meta])* $variant:ident = $word:literal,)+
        }
    ) => {
        $(#[$documentation])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_documentation])* $variant,)+
        }

        impl $name {
            /// All of them, in the order of the wire documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word on the wire and in SQL.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::error::UnknownWordError;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(crate::error::UnknownWordError::$unknown),
                }
            }
        }
    };
}

pub(crate) use words;
