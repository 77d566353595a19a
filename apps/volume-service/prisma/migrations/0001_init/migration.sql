create table volumes (
  node_id text not null,
  name text not null,
  driver text not null,
  options jsonb not null,
  labels jsonb not null,
  anonymous boolean not null,
  created_at timestamptz(6) not null,
  constraint volumes_pkey primary key (node_id, name)
);

create table volume_references (
  node_id text not null,
  volume_name text not null,
  container_id text not null,
  constraint volume_references_pkey primary key (node_id, volume_name, container_id),
  constraint volume_references_node_id_volume_name_fkey foreign key (node_id, volume_name)
    references volumes (node_id, name) on delete cascade on update cascade
);

create index volume_references_node_id_container_id_idx on volume_references (node_id, container_id);
