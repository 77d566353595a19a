create table networks (
  node_id text not null,
  id text not null,
  name text not null,
  driver text not null,
  record jsonb not null,
  updated_at timestamp(3) not null default current_timestamp,
  primary key (node_id, id)
);
create index networks_node_id_name_idx on networks (node_id, name);

create table sandboxes (
  node_id text not null,
  container_id text not null,
  name text not null,
  record jsonb not null,
  updated_at timestamp(3) not null default current_timestamp,
  primary key (node_id, container_id)
);
