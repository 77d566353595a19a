CREATE TABLE "layer_blobs" (
  "node_id" TEXT NOT NULL,
  "digest" TEXT NOT NULL,
  "diff_id" TEXT NOT NULL,
  "media_type" TEXT NOT NULL,
  "size" BIGINT NOT NULL,
  "created_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT "layer_blobs_pkey" PRIMARY KEY ("node_id", "digest")
);
CREATE INDEX "layer_blobs_node_id_diff_id_idx" ON "layer_blobs" ("node_id", "diff_id");

CREATE TABLE "blob_sources" (
  "node_id" TEXT NOT NULL,
  "digest" TEXT NOT NULL,
  "repository" TEXT NOT NULL,
  "seen_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT "blob_sources_pkey" PRIMARY KEY ("node_id", "digest", "repository")
);

CREATE TABLE "manifests" (
  "node_id" TEXT NOT NULL,
  "digest" TEXT NOT NULL,
  "media_type" TEXT NOT NULL,
  "document" BYTEA NOT NULL,
  "image_id" TEXT,
  "created_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT "manifests_pkey" PRIMARY KEY ("node_id", "digest")
);
CREATE INDEX "manifests_node_id_image_id_idx" ON "manifests" ("node_id", "image_id");
