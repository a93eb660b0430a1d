# SeaweedFS as the S3 store, run by a plain user: a fresh volume takes the ownership of the folder it is mounted on.
FROM chrislusf/seaweedfs:4.07
USER root
RUN mkdir -p /store && chown 10001:10001 /store
USER 10001:10001
ENTRYPOINT ["/usr/bin/weed"]
