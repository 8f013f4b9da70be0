//! Tokens to a tree, by recursive descent. It recovers: what is wrong becomes an error of the node that was being
//! read, or a bad node, and reading goes on. Words and places of errors are InfluxDB's. It never looks up a name.
//!
//! An error waits in [`Parser::pending`] until the next node is finished and takes it; that decides its place.

mod expression;
mod primary;
mod property;
mod statement;
mod type_expression;

use std::mem;

use crate::ast::{BadExpression, Comments, Expression, File, Identifier, Meta, MetaExtra, StringLiteral};
use crate::lexer::{Lexer, Mode};
use crate::limits::Limits;
use crate::literal;
use crate::location::{Location, Position};
use crate::token::{Token, TokenKind};

/// What every tree says about who made it.
const METADATA: &str = "parser-type=rust";

/// Reads a source within the limits. Errors stand in the nodes; [`crate::check()`] collects them.
pub(crate) fn parse_file(source: &str, limits: &Limits) -> File {
    Parser::new(source, limits).file(source)
}

/// The brackets that can be open.
#[derive(Debug, Clone, Copy)]
enum Bracket {
    Paren,
    Square,
    Brace,
}

impl Bracket {
    fn opening(self) -> TokenKind {
        match self {
            Self::Paren => TokenKind::LParen,
            Self::Square => TokenKind::LBrack,
            Self::Brace => TokenKind::LBrace,
        }
    }

    fn closing(self) -> TokenKind {
        match self {
            Self::Paren => TokenKind::RParen,
            Self::Square => TokenKind::RBrack,
            Self::Brace => TokenKind::RBrace,
        }
    }
}

/// How many brackets of each kind are open.
#[derive(Debug, Default)]
struct OpenBrackets {
    paren: usize,
    square: usize,
    brace: usize,
}

impl OpenBrackets {
    fn count(&mut self, bracket: Bracket) -> &mut usize {
        match bracket {
            Bracket::Paren => &mut self.paren,
            Bracket::Square => &mut self.square,
            Bracket::Brace => &mut self.brace,
        }
    }
}

#[derive(Debug)]
struct Parser<'a> {
    lexer: Lexer<'a>,
    peeked: Option<Token>,
    /// Errors that no node has taken yet.
    pending: Vec<String>,
    /// How many errors may still be kept.
    errors_left: usize,
    open: OpenBrackets,
    /// How many expressions, blocks and types stand around the current token.
    nesting: usize,
    /// The height of the expression that is being built.
    height: usize,
    limits: &'a Limits,
    /// Whether a limit was met: the rest of the source is not read, and what it lacks is no error.
    gave_up: bool,
}

impl<'a> Parser<'a> {
    fn new(source: &'a str, limits: &'a Limits) -> Self {
        Self {
            lexer: Lexer::new(source, limits.tokens),
            peeked: None,
            pending: Vec::new(),
            errors_left: limits.reported_errors,
            open: OpenBrackets::default(),
            nesting: 0,
            height: 0,
            limits,
            gave_up: false,
        }
    }

    fn file(mut self, source: &str) -> File {
        let mut file = File { source: source.to_owned(), metadata: METADATA.to_owned(), ..File::default() };
        let mut attributes = self.attributes();
        if self.peek().kind == TokenKind::Package {
            file.package = Some(self.package_clause(mem::take(&mut attributes)));
            attributes = self.attributes();
        }
        while self.peek().kind == TokenKind::Import {
            file.imports.push(self.import_declaration(mem::take(&mut attributes)));
            attributes = self.attributes();
        }
        file.body = self.statements(attributes);
        let end = self.peek();
        file.eof = self.comments(&end);
        if self.lexer.exhausted {
            self.pending.push(format!("the script has more than {} tokens", self.limits.tokens));
        }
        file.meta = self.meta(Position { line: 1, column: 1 }, end.end);
        file
    }

    /// The next token, which stays.
    fn peek(&mut self) -> Token {
        self.peek_in(Mode::Plain)
    }

    /// The next token, which stays; a regular expression where a value is expected.
    fn peek_value(&mut self) -> Token {
        if self.peeked.is_some_and(|token| token.kind == TokenKind::Div) {
            let token = self.lexer.again(Mode::Regex);
            self.peeked = Some(token);
        }
        self.peek_in(Mode::Regex)
    }

    fn peek_in(&mut self, mode: Mode) -> Token {
        match self.peeked {
            Some(token) => token,
            None => {
                let token = self.lexer.next(mode);
                self.peeked = Some(token);
                token
            }
        }
    }

    /// Takes the next token.
    fn scan(&mut self) -> Token {
        match self.peeked.take() {
            Some(token) => token,
            None => self.lexer.next(Mode::Plain),
        }
    }

    fn text(&self, token: &Token) -> &'a str {
        self.lexer.text(token)
    }

    fn comments(&self, token: &Token) -> Comments {
        if token.comments.0 == token.comments.1 {
            return Comments::default();
        }
        self.lexer.comments(token).map(str::to_owned).collect()
    }

    /// Takes the next token, which should be this one.
    fn expect(&mut self, kind: TokenKind) -> Token {
        let token = self.scan();
        if token.kind != kind {
            self.unexpected(kind.name(), &token);
        }
        token
    }

    /// As [`Self::expect`], but a wrong token stays for what follows.
    fn expect_or_keep(&mut self, kind: TokenKind) -> Token {
        let token = self.expect(kind);
        if token.kind != kind {
            self.peeked = Some(token);
        }
        token
    }

    fn unexpected(&mut self, expected: &str, token: &Token) {
        let name = token.kind.name();
        let message = match token.kind {
            TokenKind::Eof => format!("expected {expected}, got EOF"),
            _ => format!("expected {expected}, got {name} ({}) at {}", self.text(token), token.start),
        };
        self.error(message);
    }

    fn error(&mut self, message: impl Into<String>) {
        if self.errors_left > 0 && !self.gave_up {
            self.errors_left -= 1;
            self.pending.push(message.into());
        }
    }

    /// Takes an opening bracket; until [`Self::close`], its closing one ends every list.
    fn open(&mut self, bracket: Bracket) -> Token {
        let token = self.expect(bracket.opening());
        *self.open.count(bracket) += 1;
        token
    }

    /// Takes the closing bracket. A wrong token stays, and its end counts as the end of the brackets.
    fn close(&mut self, bracket: Bracket) -> Token {
        let count = self.open.count(bracket);
        *count = count.saturating_sub(1);
        let token = self.peek();
        if token.kind == bracket.closing() {
            self.peeked = None;
        } else {
            self.error(format!("expected {}, got {}", bracket.closing().name(), token.kind.name()));
        }
        token
    }

    /// Whether a list goes on: the next token is neither the end nor a closing bracket that was opened.
    fn more(&mut self) -> bool {
        match self.peek().kind {
            TokenKind::Eof => false,
            TokenKind::RParen => self.open.paren == 0,
            TokenKind::RBrack => self.open.square == 0,
            TokenKind::RBrace => self.open.brace == 0,
            _ => true,
        }
    }

    /// Takes the next token if it is this one.
    fn accept(&mut self, kind: TokenKind) -> Option<Token> {
        let token = self.peek();
        if token.kind == kind {
            self.peeked = None;
        }
        (token.kind == kind).then_some(token)
    }

    /// Enters an expression, block or type. Where nesting ends, the rest of the source is not read.
    fn enter(&mut self) -> bool {
        if self.nesting >= self.limits.nesting {
            self.give_up();
            return false;
        }
        self.nesting += 1;
        true
    }

    fn leave(&mut self) {
        self.nesting -= 1;
    }

    /// Counts one more level above the operands just read.
    fn grow(&mut self, levels: usize) {
        self.height += levels;
        if self.height > self.limits.tree_height {
            self.give_up();
        }
    }

    fn give_up(&mut self) {
        if !self.gave_up {
            self.pending.push("Program is nested too deep".to_owned());
            self.gave_up = true;
            self.lexer.stop();
            self.peeked = None;
        }
    }

    /// A node's place, with the errors that wait.
    fn meta(&mut self, start: Position, end: Position) -> Meta {
        let location = Location { start, end };
        if self.pending.is_empty() {
            return Meta { location, extra: None };
        }
        let errors = mem::take(&mut self.pending);
        Meta { location, extra: Some(Box::new(MetaExtra { errors, ..MetaExtra::default() })) }
    }

    /// A node's place, with the errors that wait and the comments before a token.
    fn meta_with_comments(&mut self, start: Position, end: Position, token: &Token) -> Meta {
        let mut meta = self.meta(start, end);
        if token.comments.0 != token.comments.1 {
            meta.extra.get_or_insert_default().comments = self.comments(token);
        }
        meta
    }

    /// The place of a node that is one token.
    fn token_meta(&mut self, token: &Token) -> Meta {
        self.meta_with_comments(token.start, token.end, token)
    }

    /// A bad expression takes no errors: they are for the node around it.
    fn bad_expression(&self, location: Location, text: impl Into<String>) -> Expression {
        let text = if self.gave_up { String::new() } else { text.into() };
        Expression::Bad(Box::new(BadExpression { meta: Meta { location, extra: None }, text }))
    }

    fn identifier(&mut self) -> Identifier {
        let token = self.expect(TokenKind::Ident);
        self.identifier_of(&token)
    }

    fn identifier_of(&mut self, token: &Token) -> Identifier {
        Identifier { meta: self.token_meta(token), name: self.text(token).to_owned() }
    }

    fn string_literal(&mut self) -> StringLiteral {
        let token = self.expect(TokenKind::String);
        self.string_literal_of(&token)
    }

    fn string_literal_of(&mut self, token: &Token) -> StringLiteral {
        let value = literal::string(self.text(token)).unwrap_or_else(|message| {
            self.error(message);
            String::new()
        });
        StringLiteral { meta: self.token_meta(token), value }
    }
}
