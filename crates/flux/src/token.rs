//! The tokens, with the names that messages give them.

use crate::location::{Location, Position};

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Illegal,
    Eof,
    And,
    Or,
    Not,
    Import,
    Package,
    Return,
    Option,
    Builtin,
    TestCase,
    If,
    Then,
    Else,
    Exists,
    Ident,
    Int,
    Float,
    String,
    Regex,
    Time,
    Duration,
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Eq,
    Lt,
    Gt,
    Lte,
    Gte,
    Neq,
    RegexEq,
    RegexNeq,
    Assign,
    Arrow,
    LParen,
    RParen,
    LBrack,
    RBrack,
    LBrace,
    RBrace,
    Comma,
    Dot,
    Colon,
    PipeForward,
    PipeReceive,
    Quote,
    StringExpr,
    Text,
    QuestionMark,
    Attribute,
}

impl TokenKind {
    /// The name in messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Illegal => "ILLEGAL",
            Self::Eof => "EOF",
            Self::And => "AND",
            Self::Or => "OR",
            Self::Not => "NOT",
            Self::Import => "IMPORT",
            Self::Package => "PACKAGE",
            Self::Return => "RETURN",
            Self::Option => "OPTION",
            Self::Builtin => "BUILTIN",
            Self::TestCase => "TESTCASE",
            Self::If => "IF",
            Self::Then => "THEN",
            Self::Else => "ELSE",
            Self::Exists => "EXISTS",
            Self::Ident => "IDENT",
            Self::Int => "INT",
            Self::Float => "FLOAT",
            Self::String => "STRING",
            Self::Regex => "REGEX",
            Self::Time => "TIME",
            Self::Duration => "DURATION",
            Self::Quote => "QUOTE",
            Self::StringExpr => "STRINGEXPR",
            Self::Text => "TEXT",
            Self::Attribute => "ATTRIBUTE",
            other => other.operator_name(),
        }
    }

    fn operator_name(self) -> &'static str {
        match self {
            Self::Add => "ADD",
            Self::Sub => "SUB",
            Self::Mul => "MUL",
            Self::Div => "DIV",
            Self::Mod => "MOD",
            Self::Pow => "POW",
            Self::Eq => "EQ",
            Self::Lt => "LT",
            Self::Gt => "GT",
            Self::Lte => "LTE",
            Self::Gte => "GTE",
            Self::Neq => "NEQ",
            Self::RegexEq => "REGEXEQ",
            Self::RegexNeq => "REGEXNEQ",
            Self::Assign => "ASSIGN",
            Self::Arrow => "ARROW",
            Self::LParen => "LPAREN",
            Self::RParen => "RPAREN",
            Self::LBrack => "LBRACK",
            Self::RBrack => "RBRACK",
            Self::LBrace => "LBRACE",
            Self::RBrace => "RBRACE",
            Self::Comma => "COMMA",
            Self::Dot => "DOT",
            Self::Colon => "COLON",
            Self::PipeForward => "PIPE_FORWARD",
            Self::PipeReceive => "PIPE_RECEIVE",
            Self::QuestionMark => "QUESTION_MARK",
            _ => "ILLEGAL",
        }
    }
}

/// A keyword's token; every other word is an identifier.
pub(crate) fn word(text: &str) -> TokenKind {
    match text {
        "and" => TokenKind::And,
        "or" => TokenKind::Or,
        "not" => TokenKind::Not,
        "import" => TokenKind::Import,
        "package" => TokenKind::Package,
        "return" => TokenKind::Return,
        "option" => TokenKind::Option,
        "builtin" => TokenKind::Builtin,
        "testcase" => TokenKind::TestCase,
        "if" => TokenKind::If,
        "then" => TokenKind::Then,
        "else" => TokenKind::Else,
        "exists" => TokenKind::Exists,
        _ => TokenKind::Ident,
    }
}

/// A token: what it is and where it stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    /// Its first byte in the source.
    pub(crate) start_offset: usize,
    /// The byte behind it.
    pub(crate) end_offset: usize,
    pub(crate) start: Position,
    pub(crate) end: Position,
    /// The comments before it: a range of the lexer's list.
    pub(crate) comments: (u32, u32),
}

impl Token {
    pub(crate) fn location(&self) -> Location {
        Location { start: self.start, end: self.end }
    }
}
