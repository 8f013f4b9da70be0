//! Clauses and statements.

use super::{Bracket, Parser};
use crate::ast::{
    Assignment, Attribute, BadStatement, Block, BuiltinStatement, Comments, Expression, ExpressionStatement,
    Identifier, ImportDeclaration, MemberAssignment, MemberExpression, Meta, OptionStatement, PackageClause,
    PropertyKey, ReturnStatement, Statement, TestCaseStatement, VariableAssignment,
};
use crate::location::Location;
use crate::token::{Token, TokenKind};

impl Parser<'_> {
    pub(super) fn package_clause(&mut self, attributes: Vec<Attribute>) -> PackageClause {
        let token = self.scan();
        let name = self.identifier();
        let mut meta = self.meta_with_comments(token.start, name.meta.location.end, &token);
        attach(&mut meta, attributes);
        PackageClause { meta, name }
    }

    pub(super) fn import_declaration(&mut self, attributes: Vec<Attribute>) -> ImportDeclaration {
        let token = self.scan();
        let alias = (self.peek().kind == TokenKind::Ident).then(|| self.identifier());
        let path = self.string_literal();
        let mut meta = self.meta_with_comments(token.start, path.meta.location.end, &token);
        attach(&mut meta, attributes);
        ImportDeclaration { meta, alias, path }
    }

    /// All attributes before a clause or statement.
    pub(super) fn attributes(&mut self) -> Vec<Attribute> {
        let mut attributes = Vec::new();
        while self.peek().kind == TokenKind::Attribute {
            attributes.push(self.attribute());
        }
        attributes
    }

    fn attribute(&mut self) -> Attribute {
        let token = self.scan();
        let name = self.text(&token).trim_start_matches('@').to_owned();
        let mut parameters = Vec::new();
        let mut end = token.end;
        if self.peek().kind == TokenKind::LParen {
            self.open(Bracket::Paren);
            while self.more() {
                let parameter = self.primary();
                if matches!(parameter, Expression::Bad(_)) {
                    self.skip_invalid_token();
                }
                parameters.push(parameter);
                self.accept(TokenKind::Comma);
            }
            end = self.close(Bracket::Paren).end;
        }
        Attribute { meta: self.meta_with_comments(token.start, end, &token), name, parameters }
    }

    /// The statements up to the end of the block or file; the attributes belong to the first.
    pub(super) fn statements(&mut self, mut attributes: Vec<Attribute>) -> Vec<Statement> {
        let mut statements = Vec::new();
        loop {
            attributes.append(&mut self.attributes());
            if !self.more() {
                statements.extend(stray_attributes(attributes));
                return statements;
            }
            let mut statement = self.statement();
            attach(statement.meta_mut(), std::mem::take(&mut attributes));
            statements.push(statement);
        }
    }

    fn statement(&mut self) -> Statement {
        let token = self.peek();
        match token.kind {
            TokenKind::Ident => self.identifier_statement(),
            TokenKind::Option => self.option_statement(),
            TokenKind::Builtin => self.builtin_statement(),
            TokenKind::TestCase => self.test_case_statement(),
            TokenKind::Return => self.return_statement(),
            TokenKind::Int
            | TokenKind::Float
            | TokenKind::String
            | TokenKind::Div
            | TokenKind::Time
            | TokenKind::Duration
            | TokenKind::PipeReceive
            | TokenKind::LParen
            | TokenKind::LBrack
            | TokenKind::LBrace
            | TokenKind::Add
            | TokenKind::Sub
            | TokenKind::Not
            | TokenKind::If
            | TokenKind::Exists
            | TokenKind::Quote => {
                let expression = self.expression();
                self.expression_statement(expression)
            }
            _ => {
                self.scan();
                self.bad_statement(&token)
            }
        }
    }

    fn bad_statement(&mut self, token: &Token) -> Statement {
        let text = self.text(token).to_owned();
        Statement::Bad(Box::new(BadStatement { meta: self.token_meta(token), text }))
    }

    fn expression_statement(&mut self, expression: Expression) -> Statement {
        let Location { start, end } = expression.location();
        Statement::Expression(Box::new(ExpressionStatement { meta: self.meta(start, end), expression }))
    }

    fn identifier_statement(&mut self) -> Statement {
        let id = self.identifier();
        if self.peek().kind == TokenKind::Assign {
            return Statement::Variable(Box::new(self.variable_assignment(id)));
        }
        let expression = self.suffixes(Expression::Identifier(id));
        self.expression_statement(expression)
    }

    fn variable_assignment(&mut self, id: Identifier) -> VariableAssignment {
        let assign = self.scan();
        let init = self.expression();
        let meta = self.meta_with_comments(id.meta.location.start, init.location().end, &assign);
        VariableAssignment { meta, id, init }
    }

    fn option_statement(&mut self) -> Statement {
        let token = self.scan();
        let id = self.identifier();
        let (assignment, end) = match self.peek().kind {
            TokenKind::Assign => {
                let assignment = self.variable_assignment(id);
                let end = assignment.meta.location.end;
                (Assignment::Variable(Box::new(assignment)), end)
            }
            TokenKind::Dot => {
                let assignment = self.member_assignment(id);
                let end = assignment.meta.location.end;
                (Assignment::Member(Box::new(assignment)), end)
            }
            _ => return self.bad_statement(&token),
        };
        let meta = self.meta_with_comments(token.start, end, &token);
        Statement::Option(Box::new(OptionStatement { meta, assignment }))
    }

    fn member_assignment(&mut self, id: Identifier) -> MemberAssignment {
        let start = id.meta.location.start;
        let dot = self.scan();
        let property = self.identifier();
        let assign = self.expect(TokenKind::Assign);
        let init = self.expression();
        // The errors of both belong to the assignment, so that its place is made first.
        let meta = self.meta_with_comments(start, init.location().end, &assign);
        let member = MemberExpression {
            meta: self.meta(start, property.meta.location.end),
            object: Expression::Identifier(id),
            lbrack: self.comments(&dot),
            property: PropertyKey::Identifier(property),
            rbrack: Comments::default(),
        };
        MemberAssignment { meta, member, init }
    }

    fn return_statement(&mut self) -> Statement {
        let token = self.scan();
        let argument = self.expression();
        let meta = self.meta_with_comments(token.start, argument.location().end, &token);
        Statement::Return(Box::new(ReturnStatement { meta, argument }))
    }

    fn builtin_statement(&mut self) -> Statement {
        let token = self.scan();
        let id = self.identifier();
        let colon = self.expect(TokenKind::Colon);
        let type_expression = self.type_expression();
        let meta = self.meta_with_comments(token.start, type_expression.meta.location.end, &token);
        Statement::Builtin(Box::new(BuiltinStatement { meta, colon: self.comments(&colon), id, type_expression }))
    }

    fn test_case_statement(&mut self) -> Statement {
        let token = self.scan();
        let id = self.identifier();
        let next = self.peek();
        let extends = (next.kind == TokenKind::Ident && self.text(&next) == "extends").then(|| {
            self.scan();
            self.string_literal()
        });
        let block = self.block();
        let meta = self.meta_with_comments(token.start, block.meta.location.end, &token);
        Statement::TestCase(Box::new(TestCaseStatement { meta, id, extends, block }))
    }

    pub(super) fn block(&mut self) -> Block {
        let start = self.open(Bracket::Brace);
        let mut body = Vec::new();
        if self.enter() {
            body = self.statements(Vec::new());
            self.leave();
        }
        let end = self.close(Bracket::Brace);
        let meta = self.meta(start.start, end.end);
        Block { meta, lbrace: self.comments(&start), body, rbrace: self.comments(&end) }
    }
}

fn attach(meta: &mut Meta, attributes: Vec<Attribute>) {
    if !attributes.is_empty() {
        meta.extra.get_or_insert_default().attributes = attributes;
    }
}

/// Attributes that no statement follows.
fn stray_attributes(attributes: Vec<Attribute>) -> Option<Statement> {
    let start = attributes.first()?.meta.location.start;
    let end = attributes.last()?.meta.location.end;
    let mut meta = Meta { location: Location { start, end }, extra: None };
    attach(&mut meta, attributes);
    let text = "extra attributes not associated with anything".to_owned();
    Some(Statement::Bad(Box::new(BadStatement { meta, text })))
}
