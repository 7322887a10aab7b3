#!/usr/bin/env bash
# Builds the image and pushes it. It runs in CodeBuild, in the folder of the unpacked source, and gets
# IMAGE (repository:tag) and BASE_IMAGE (by digest). The last lines of its output are the reason of
# a deployment that fails.
set -o errexit -o nounset -o pipefail

fail() {
  echo "$1" >&2
  exit 1
}

inspect() {
  docker image inspect --format "$2" "$1"
}

build() {
  # Without attestations, the image is one manifest, as the function build_image makes it.
  docker buildx build --load --provenance=false --progress=plain "$@"
}

labels=()
while IFS= read -r label; do
  labels+=(--label "$label")
done < labels

if [ -f packages/packages.txt ]; then
  build --build-arg "PYTHON_IMAGE=$BASE_IMAGE" --tag base-with-packages packages
  BASE_IMAGE=base-with-packages
fi

build --build-arg "PYTHON_IMAGE=$BASE_IMAGE" "${labels[@]}" \
  --file images/airflow/Dockerfile --tag airflow .
result=airflow

if [ -f own/Dockerfile ]; then
  build --build-arg AIRFLOW_IMAGE=airflow "${labels[@]}" --tag own own
  layers=$(inspect airflow '{{range .RootFS.Layers}}{{.}} {{end}}')
  case "$(inspect own '{{range .RootFS.Layers}}{{.}} {{end}}')" in
    "${layers% }"*) ;;
    *) fail "images/airflow/user/Dockerfile must start from the image of this repository: begin it\
 with ARG AIRFLOW_IMAGE and FROM \${AIRFLOW_IMAGE}." ;;
  esac
  for field in User Entrypoint WorkingDir; do
    expected=$(inspect airflow "{{json .Config.$field}}")
    found=$(inspect own "{{json .Config.$field}}")
    [ "$found" = "$expected" ] || fail "images/airflow/user/Dockerfile changes $field of the image\
 to $found: it must stay $expected, with which the tasks start. After USER root, end with USER 50000:50000."
  done
  result=own
fi

docker tag "$result" "$IMAGE"
docker push "$IMAGE"
