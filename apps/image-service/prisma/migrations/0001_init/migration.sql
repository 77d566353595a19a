CREATE TABLE "layers" (
  "node_id" TEXT NOT NULL,
  "chain_id" TEXT NOT NULL,
  "diff_id" TEXT NOT NULL,
  "parent_chain_id" TEXT,
  "layer_id" TEXT NOT NULL,
  "size" BIGINT NOT NULL,
  "archive_size" BIGINT NOT NULL,
  "created_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT "layers_pkey" PRIMARY KEY ("node_id", "chain_id"),
  CONSTRAINT "layers_node_id_parent_chain_id_fkey" FOREIGN KEY ("node_id", "parent_chain_id")
    REFERENCES "layers" ("node_id", "chain_id") ON DELETE RESTRICT ON UPDATE CASCADE
);
CREATE UNIQUE INDEX "layers_node_id_layer_id_key" ON "layers" ("node_id", "layer_id");
CREATE INDEX "layers_node_id_parent_chain_id_idx" ON "layers" ("node_id", "parent_chain_id");

CREATE TABLE "images" (
  "node_id" TEXT NOT NULL,
  "id" TEXT NOT NULL,
  "config" BYTEA NOT NULL,
  "top_chain_id" TEXT,
  "parent_id" TEXT,
  "size" BIGINT NOT NULL,
  "created_at" TIMESTAMPTZ(6) NOT NULL,
  "added_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  "last_tagged_at" TIMESTAMPTZ(6),
  CONSTRAINT "images_pkey" PRIMARY KEY ("node_id", "id"),
  CONSTRAINT "images_node_id_top_chain_id_fkey" FOREIGN KEY ("node_id", "top_chain_id")
    REFERENCES "layers" ("node_id", "chain_id") ON DELETE RESTRICT ON UPDATE CASCADE
);
CREATE INDEX "images_node_id_top_chain_id_idx" ON "images" ("node_id", "top_chain_id");
CREATE INDEX "images_node_id_parent_id_idx" ON "images" ("node_id", "parent_id");

CREATE TABLE "tags" (
  "node_id" TEXT NOT NULL,
  "repository" TEXT NOT NULL,
  "tag" TEXT NOT NULL,
  "image_id" TEXT NOT NULL,
  CONSTRAINT "tags_pkey" PRIMARY KEY ("node_id", "repository", "tag"),
  CONSTRAINT "tags_node_id_image_id_fkey" FOREIGN KEY ("node_id", "image_id")
    REFERENCES "images" ("node_id", "id") ON DELETE RESTRICT ON UPDATE CASCADE
);
CREATE INDEX "tags_node_id_image_id_idx" ON "tags" ("node_id", "image_id");

CREATE TABLE "image_digests" (
  "node_id" TEXT NOT NULL,
  "repository" TEXT NOT NULL,
  "digest" TEXT NOT NULL,
  "image_id" TEXT NOT NULL,
  CONSTRAINT "image_digests_pkey" PRIMARY KEY ("node_id", "repository", "digest"),
  CONSTRAINT "image_digests_node_id_image_id_fkey" FOREIGN KEY ("node_id", "image_id")
    REFERENCES "images" ("node_id", "id") ON DELETE RESTRICT ON UPDATE CASCADE
);
CREATE INDEX "image_digests_node_id_image_id_idx" ON "image_digests" ("node_id", "image_id");

CREATE TABLE "snapshots" (
  "node_id" TEXT NOT NULL,
  "container_id" TEXT NOT NULL,
  "image_id" TEXT NOT NULL,
  "top_chain_id" TEXT,
  "created_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT "snapshots_pkey" PRIMARY KEY ("node_id", "container_id"),
  CONSTRAINT "snapshots_node_id_top_chain_id_fkey" FOREIGN KEY ("node_id", "top_chain_id")
    REFERENCES "layers" ("node_id", "chain_id") ON DELETE RESTRICT ON UPDATE CASCADE
);
CREATE INDEX "snapshots_node_id_image_id_idx" ON "snapshots" ("node_id", "image_id");
CREATE INDEX "snapshots_node_id_top_chain_id_idx" ON "snapshots" ("node_id", "top_chain_id");
