-- Roles and databases, made or brought up to date at every start. Passwords come from files and
-- are never part of a command line; a statement that fails is not logged with them.
SET log_statement = none;
SET log_min_error_statement = panic;
\set hub_password `cat "$COURSEHUB_SECRETS/hub_password"`
\set course_password `cat "$COURSEHUB_SECRETS/course_password"`
\set grader_password `cat "$COURSEHUB_SECRETS/grader_password"`

-- hub, course and grader are services; `graders` is what every staff member's own role belongs to.
SELECT format('CREATE ROLE %I', name) FROM unnest(ARRAY['hub', 'course', 'grader', 'graders']) name
  WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
ALTER ROLE hub LOGIN CREATEROLE PASSWORD :'hub_password';
ALTER ROLE course LOGIN PASSWORD :'course_password';
ALTER ROLE grader LOGIN PASSWORD :'grader_password';
ALTER ROLE graders NOLOGIN;
-- The hub makes one role per staff member.
GRANT graders TO hub WITH ADMIN OPTION;

SELECT format('CREATE DATABASE %I OWNER %I', name, owner)
  FROM (VALUES ('hub', 'hub'), ('course', 'course'), ('gradebook', 'grader')) wanted(name, owner)
  WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = name) \gexec
-- Who may come in; what each may do with the tables is said by `coursehub migrate`, which makes them.
REVOKE CONNECT, TEMPORARY ON DATABASE hub, course, gradebook, postgres, template1 FROM PUBLIC;
GRANT CONNECT ON DATABASE course TO hub, grader, graders;
GRANT CONNECT ON DATABASE gradebook TO graders, course;
